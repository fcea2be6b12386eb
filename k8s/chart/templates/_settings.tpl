{{/* The service's settings as environment variables: those that anybody may see, and those that go into a Secret. */}}

{{/* Names that the user sets, which win. */}}
{{- define "nats-k8s-oidc-callout.givenNames" -}}
{{- $names := keys .Values.secretEnv }}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end }}
{{- $names | toJson }}
{{- end }}

{{/*
A setting as far as the values show it: not where extraEnv takes it from a Secret. Of a list: the context, the name of the
variable, and what the chart's own value is.
*/}}
{{- define "nats-k8s-oidc-callout.shown" -}}
{{- $name := index . 1 }}
{{- with index . 0 }}
{{- $shown := default (index $ 2) (get .Values.secretEnv $name) }}
{{- range .Values.extraEnv }}
{{- if eq .name $name }}{{ $shown = default "" .value }}{{ end }}
{{- end }}
{{- $shown }}
{{- end }}
{{- end }}

{{/* A duration as the service takes it. A whole number is one of seconds; Helm has it as a floating one. */}}
{{- define "nats-k8s-oidc-callout.duration" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.snapshotFolder" -}}
/run/nats-k8s-oidc-callout
{{- end }}

{{- define "nats-k8s-oidc-callout.settings" -}}
{{- $values := .Values }}
{{- $settings := dict
  "NATS_MODE" $values.nats.mode
  "NATS_ACCOUNT" $values.nats.account
  "NATS_WORKERS" (int $values.nats.workers | toString)
  "NATS_USER_TTL" (include "nats-k8s-oidc-callout.duration" $values.nats.userTtl)
  "NATS_USER_TTL_JITTER" (toString $values.nats.userTtlJitter)
  "NATS_USER_NAME" (toString $values.nats.userName)
  "NATS_SHARED_INBOX" (toString $values.nats.sharedInbox)
  "NATS_RESPONSE_MAX" (int $values.nats.responseMax | toString)
  "NATS_RESPONSE_TTL" (include "nats-k8s-oidc-callout.duration" $values.nats.responseTtl)
  "NATS_STREAM_ADMIN" (toString $values.nats.streamAdmin)
  "JWT_ISSUER" $values.jwt.issuer
  "JWT_AUDIENCE" $values.jwt.audience
  "JWKS_URL" $values.jwt.jwksUrl
  "SA_ANNOTATION_PREFIX" $values.annotationPrefix
  "K8S_IN_CLUSTER" "true"
  "K8S_NAMESPACE" $values.watchNamespace
  "SNAPSHOT_DIR" (include "nats-k8s-oidc-callout.snapshotFolder" .)
  "LOG_LEVEL" $values.logLevel
  "PORT" "8080"
  "DRAIN_TIMEOUT" (printf "%ds" (int $values.drainSeconds)) }}
{{- if not (contains "@" $values.nats.url) }}
{{- $_ := set $settings "NATS_URL" (default "nats://nats:4222" $values.nats.url) }}
{{- end }}
{{- $folder := include "nats-k8s-oidc-callout.folder" . }}
{{- range include "nats-k8s-oidc-callout.keys" . | fromYamlArray }}
{{- $_ := set $settings .variable (printf "%s/%s" $folder .file) }}
{{- end }}
{{- if include "nats-k8s-oidc-callout.ceilingConfigMap" . }}
{{- $_ := set $settings "NATS_CEILING_FILE" (printf "%s/ceiling.yaml" $folder) }}
{{- end }}
{{- range include "nats-k8s-oidc-callout.givenNames" . | fromJsonArray }}{{ $_ := unset $settings . }}{{ end }}
{{- range $name, $value := $settings }}
{{- if ne $value "" }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.secretSettings" -}}
{{- $settings := dict }}
{{- with .Values.nats }}
{{- if .token }}{{ $_ := set $settings "NATS_TOKEN" .token }}{{ end }}
{{- if contains "@" .url }}{{ $_ := set $settings "NATS_URL" .url }}{{ end }}
{{- end }}
{{- range .Values.extraEnv }}{{ $_ := unset $settings .name }}{{ end }}
{{- merge (deepCopy .Values.secretEnv) $settings | toYaml }}
{{- end }}
