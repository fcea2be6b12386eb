{{/*
Memory, in MiB. The snapshot is a tmpfs, which counts as memory of the pod.

What is taken, by docs/performance.md: 66 MiB by the supervisor, and 150 to 200 bytes for each ServiceAccount; by a worker
32.5 of its own, and up to 12 for tokens that it remembers. What processes share counts once, for whichever touched it
first: with that 52 were seen of a worker. The limit has 128 for the supervisor, twice what it takes, and 80 for each worker,
a quarter more than 52 and 12; 64 of either is the least that is accepted, with no margin but the snapshot's. One worker more
than there are lives for a moment, when they are replaced. The snapshot's base is for what stands in it besides: metrics
files, status pages, the table of readers, LMDB's free pages.
*/}}

{{- define "nats-k8s-oidc-callout.snapshotMiB" -}}
{{- with .Values.snapshot }}
{{- add 16 (div (add (mul (int64 .serviceAccounts) (int64 .bytesPerServiceAccount)) 1048575) 1048576) }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.leastMemoryMiB" -}}
{{- add 64 (mul 64 (int64 .Values.nats.workers)) (include "nats-k8s-oidc-callout.snapshotMiB" . | int64) }}
{{- end }}

{{- define "nats-k8s-oidc-callout.memoryMiB" -}}
{{- add 128 (mul 80 (add 1 (int64 .Values.nats.workers))) (include "nats-k8s-oidc-callout.snapshotMiB" . | int64) }}
{{- end }}

{{/* A quantity as the schema allows it for `resources.limits.memory`, in MiB. */}}
{{- define "nats-k8s-oidc-callout.toMiB" -}}
{{- $number := regexFind "^[0-9]+" . | int64 }}
{{- if hasSuffix "Gi" . }}{{ mul $number 1024 }}
{{- else if hasSuffix "Mi" . }}{{ $number }}
{{- else if hasSuffix "G" . }}{{ div (mul $number 1000000000) 1048576 }}
{{- else }}{{ div (mul $number 1000000) 1048576 }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- $limits := default dict $resources.limits }}
{{- if not $limits.memory }}
{{- $_ := set $limits "memory" (printf "%sMi" (include "nats-k8s-oidc-callout.memoryMiB" .)) }}
{{- end }}
{{- $requests := default dict $resources.requests }}
{{- if not $requests.memory }}{{ $_ := set $requests "memory" $limits.memory }}{{ end }}
{{- merge (dict "limits" $limits "requests" $requests) $resources | toYaml }}
{{- end }}

{{- define "nats-k8s-oidc-callout.graceSeconds" -}}
{{- $least := add 10 (int64 .Values.drainSeconds) (int64 .Values.preStopSeconds) }}
{{- default $least .Values.terminationGracePeriodSeconds }}
{{- end }}
