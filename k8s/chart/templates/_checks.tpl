{{/*
What would install and then not work, or not be safe, is refused here, each with a sentence that says what to set.
values.schema.json refuses what is malformed by itself; here is what it cannot see: values that do not go together.
*/}}

{{- define "nats-k8s-oidc-callout.check" -}}
{{- $problems := concat
  (include "nats-k8s-oidc-callout.checkNats" . | fromJsonArray)
  (include "nats-k8s-oidc-callout.checkKeys" . | fromJsonArray)
  (include "nats-k8s-oidc-callout.checkRest" . | fromJsonArray)
  (include "nats-k8s-oidc-callout.checkAvailability" . | fromJsonArray)
  (include "nats-k8s-oidc-callout.checkNetwork" . | fromJsonArray) }}
{{- if $problems }}
{{- fail (printf "\n\n%s\n" (join "\n" $problems)) }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.checkNats" -}}
{{- $problems := list }}
{{- $given := include "nats-k8s-oidc-callout.givenNames" . | fromJsonArray }}
{{- $nats := .Values.nats }}
{{- if hasPrefix "registry.example.com/" .Values.image.repository }}
{{- $problems = append $problems "image.repository: names no registry that exists; build the image, push it to a registry of yours, and set image.repository to where it is" }}
{{- end }}
{{- if not (or $nats.account (has "NATS_ACCOUNT" $given)) }}
{{- $problems = append $problems "nats.account: is not set; give the name of the account that clients are placed in, in operator mode its public key (A…)" }}
{{- end }}
{{- if and $nats.url (not (regexMatch "^[a-z]+://[^\\s]+$" $nats.url)) }}
{{- $problems = append $problems "nats.url: is no address; give one or several such as nats://nats:4222, with commas and no blanks between" }}
{{- end }}
{{- $hasCredentials := or $nats.userCredentials.create $nats.userCredentials.existingSecret (has "NATS_USER_CREDS_FILE" $given) }}
{{- $hasToken := or $nats.token (has "NATS_TOKEN" $given) }}
{{- if and $hasCredentials $hasToken }}
{{- $problems = append $problems "nats.token: is set together with nats.userCredentials; keep one of them" }}
{{- end }}
{{- if and (has "NATS_URL" $given) (not (has $nats.url (list "" "nats://nats:4222"))) }}
{{- $problems = append $problems "nats.url: would be ignored, since extraEnv or secretEnv has NATS_URL; keep one of them" }}
{{- end }}
{{- if and $nats.token (has "NATS_TOKEN" $given) }}
{{- $problems = append $problems "nats.token: would be ignored, since extraEnv or secretEnv has NATS_TOKEN; keep one of them" }}
{{- end }}
{{- if and (contains "@" (include "nats-k8s-oidc-callout.shown" (list . "NATS_URL" $nats.url))) (or $hasCredentials $hasToken) }}
{{- $problems = append $problems "nats.url: names a user, or NATS_URL does, and nats.token or nats.userCredentials is set, too, which would win; keep one of them" }}
{{- end }}
{{- if eq $nats.mode "operator" }}
{{- if and $nats.account (not (regexMatch "^A[A-Z2-7]{55}$" $nats.account)) }}
{{- $problems = append $problems "nats.account: is no public key; in operator mode give the key of the account (A… and 55 more characters) that 'nsc describe account' shows" }}
{{- end }}
{{- if not $hasCredentials }}
{{- $problems = append $problems "nats.userCredentials: is not set; in operator mode the service logs in with credentials: set nats.userCredentials.existingSecret" }}
{{- end }}
{{- if not (or $nats.accountSigningKey.create $nats.accountSigningKey.existingSecret (has "NATS_ACCOUNT_SIGNING_KEY_FILE" $given)) }}
{{- $problems = append $problems "nats.accountSigningKey: is not set; in operator mode set nats.accountSigningKey.existingSecret to the Secret with the key that signs what clients become" }}
{{- end }}
{{- else }}
{{- if or $nats.accountSigningKey.create $nats.accountSigningKey.existingSecret }}
{{- $problems = append $problems "nats.accountSigningKey: has no meaning in server mode, where nats.signingKey signs all; remove it, or set nats.mode to operator" }}
{{- end }}
{{- if not (or $hasCredentials $hasToken $nats.tls.clientSecret (contains "@" $nats.url) (has "NATS_URL" $given)) }}
{{- $problems = append $problems "nats.url: names no user, so the servers would ask the service about itself; set secretEnv.NATS_URL to nats://user:password@…, or nats.token, or nats.userCredentials" }}
{{- end }}
{{- end }}
{{- $problems | toJson }}
{{- end }}

{{- define "nats-k8s-oidc-callout.checkKeys" -}}
{{- $problems := list }}
{{- $given := include "nats-k8s-oidc-callout.givenNames" . | fromJsonArray }}
{{- range $name := list "userCredentials" "signingKey" "accountSigningKey" "xkey" }}
{{- $value := index $.Values.nats $name }}
{{- if and $value.create $value.existingSecret }}
{{- $problems = append $problems (printf "nats.%s: has two sources, create and existingSecret; keep one of them" $name) }}
{{- end }}
{{- if and $value.create (not $value.content) }}
{{- $problems = append $problems (printf "nats.%s.content: is empty; give the file with --set-file nats.%s.content=FILE, or set existingSecret in the place of create" $name $name) }}
{{- end }}
{{- if and $value.content (not $value.create) }}
{{- $problems = append $problems (printf "nats.%s.content: would be ignored; set nats.%s.create to true, or remove the content" $name $name) }}
{{- end }}
{{- end }}
{{- with .Values.nats.signingKey }}
{{- if not (or .create .existingSecret (has "NATS_SIGNING_KEY_FILE" $given)) }}
{{- $problems = append $problems "nats.signingKey: is not set; set nats.signingKey.existingSecret to the Secret with the seed that signs answers (SA…)" }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.secretEnv }}
{{- if not (regexMatch "^[A-Za-z_][A-Za-z0-9_]*$" $name) }}
{{- $problems = append $problems (printf "secretEnv.%s: cannot be the name of a variable; give one of letters, digits and _" $name) }}
{{- end }}
{{- end }}
{{- range $name, $content := .Values.secretVolume }}
{{- if not (regexMatch "^[A-Za-z0-9+/\\s]+={0,2}\\s*$" $content) }}
{{- $problems = append $problems (printf "secretVolume.%s: is not base64; give what 'base64 FILE' prints" $name) }}
{{- end }}
{{- end }}
{{- with .Values.ceiling }}
{{- if and .content .existingConfigMap }}
{{- $problems = append $problems "ceiling: has two sources, content and existingConfigMap; keep one of them" }}
{{- end }}
{{- if .content }}
{{- $sides := fromYaml .content }}
{{- if not (and (kindIs "slice" $sides.pub) (kindIs "slice" $sides.sub)) }}
{{- $problems = append $problems "ceiling.content: has no pub or no sub with a list; give both, as YAML, such as pub: [\"{namespace}.>\"]" }}
{{- end }}
{{- end }}
{{- end }}
{{- $problems | toJson }}
{{- end }}

{{- define "nats-k8s-oidc-callout.checkRest" -}}
{{- $problems := list }}
{{- $audience := include "nats-k8s-oidc-callout.shown" (list . "JWT_AUDIENCE" (default "nats" .Values.jwt.audience)) }}
{{- $issuer := include "nats-k8s-oidc-callout.shown" (list . "JWT_ISSUER" .Values.jwt.issuer) }}
{{- $audiences := regexSplit "\\s*,\\s*" (trim $audience) -1 }}
{{- $issuers := regexSplit "\\s*,\\s*" (trim $issuer) -1 }}
{{- range $audiences }}
{{- if and . (or (has . $issuers) (regexMatch "^(https://)?kubernetes\\.default(\\.svc(\\.[^/:]+)?)?(:[0-9]+)?/?$|^(k3s|rke2)$" .)) }}
{{- $problems = append $problems (printf "jwt.audience: %s names the API server, so the token that every pod has by default would log in to NATS; give a name that is for NATS alone, such as nats" .) }}
{{- end }}
{{- end }}
{{- if and .Values.apiToken.audience (has .Values.apiToken.audience $audiences) }}
{{- $problems = append $problems "apiToken.audience: is an audience of clients' tokens (jwt.audience), so the service's own token would log in to NATS; give the API server's, or leave it empty" }}
{{- end }}
{{- if or .Values.securityContext.privileged .Values.securityContext.allowPrivilegeEscalation (eq (toString .Values.podSecurityContext.runAsUser) "0") }}
{{- $problems = append $problems "securityContext: gives the process that holds the signing keys more rights than it needs; remove privileged, allowPrivilegeEscalation and runAsUser 0" }}
{{- end }}
{{- if or (eq .Values.serviceAccount.name "default") (not (or .Values.serviceAccount.create .Values.serviceAccount.name)) }}
{{- $problems = append $problems "serviceAccount.name: is default, or not set, so the rights would go to the account default, which other pods of the namespace have, too; give the name of an account that is there for this service, or set serviceAccount.create to true" }}
{{- end }}
{{- $limits := default dict .Values.resources.limits }}
{{- with $limits.memory }}
{{- $least := include "nats-k8s-oidc-callout.leastMemoryMiB" $ | int64 }}
{{- if lt (include "nats-k8s-oidc-callout.toMiB" . | int64) $least }}
{{- $problems = append $problems (printf "resources.limits.memory: %s is less than workers and snapshot may take; give %dMi at least, or leave it out, or lower snapshot.serviceAccounts or nats.workers" . $least) }}
{{- end }}
{{- end }}
{{- with .Values.terminationGracePeriodSeconds }}
{{- $least := add 5 (int64 $.Values.drainSeconds) (int64 $.Values.preStopSeconds) }}
{{- if lt (int64 .) $least }}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds: %d is too short for preStopSeconds and drainSeconds; give %d at least, or leave it out" (int64 .) $least) }}
{{- end }}
{{- end }}
{{- $served := include "nats-k8s-oidc-callout.shown" (list . "K8S_NAMESPACE" .Values.watchNamespace) }}
{{- if and .Values.doctor.enabled $served (ne $served .Release.Namespace) }}
{{- $problems = append $problems (printf "doctor: logs in with a ServiceAccount of %s, and watchNamespace is %s, so it would be refused; set doctor.enabled to false" .Release.Namespace $served) }}
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}
{{- $problems = append $problems "metrics: podMonitor and serviceMonitor are both enabled, so everything would be counted twice; keep one of them" }}
{{- end }}
{{- $problems | toJson }}
{{- end }}

{{- define "nats-k8s-oidc-callout.checkAvailability" -}}
{{- $problems := list }}
{{- $replicas := ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int64 }}
{{- with .Values.podDisruptionBudget }}
{{- $least := toString .minAvailable }}
{{- if and .enabled (ne .minAvailable nil) }}
{{- if or (eq $least "100%") (and (regexMatch "^[0-9]+$" $least) (ge (int64 $least) $replicas)) }}
{{- $problems = append $problems (printf "podDisruptionBudget.minAvailable: with %d pods %s would let none be taken away, and no node could be drained; give less, or leave it out and set maxUnavailable to 1" $replicas $least) }}
{{- end }}
{{- else if and .enabled (has (toString .maxUnavailable) (list "0" "0%")) }}
{{- $problems = append $problems "podDisruptionBudget.maxUnavailable: 0 would let no pod be taken away, and no node could be drained; give 1, or set enabled to false" }}
{{- else if and .enabled (eq .maxUnavailable nil) }}
{{- $problems = append $problems "podDisruptionBudget: has neither minAvailable nor maxUnavailable; set maxUnavailable to 1, or enabled to false" }}
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if lt (int64 .maxReplicas) (int64 .minReplicas) }}
{{- $problems = append $problems "autoscaling.maxReplicas: is less than minReplicas; give as many at least" }}
{{- end }}
{{- $requests := default dict $.Values.resources.requests }}
{{- if not $requests.cpu }}
{{- $problems = append $problems "resources.requests.cpu: is not set, and autoscaling goes by a share of it; give what a pod uses in a normal hour, such as 500m" }}
{{- end }}
{{- end }}
{{- end }}
{{- $problems | toJson }}
{{- end }}

{{- define "nats-k8s-oidc-callout.checkNetwork" -}}
{{- $problems := list }}
{{- with .Values.networkPolicy }}
{{- if and .enabled (not .egress) }}
{{- if not .apiServer.cidrs }}
{{- $problems = append $problems "networkPolicy.apiServer.cidrs: is empty, so the API server could not be reached; give its addresses, such as 10.0.0.1/32 (kubectl get endpointslices --namespace default --selector kubernetes.io/service-name=kubernetes)" }}
{{- end }}
{{- if and $.Values.jwt.jwksUrl (not .extraEgress) }}
{{- $problems = append $problems "networkPolicy.extraEgress: is empty, so jwt.jwksUrl could not be reached; add a rule for where it is" }}
{{- end }}
{{- end }}
{{- end }}
{{- $problems | toJson }}
{{- end }}
