{{/*
The service's own files: one volume for all of them, mounted as a folder. A file of a folder is renewed when its Secret
is; a file that is mounted by `subPath` never is.
*/}}

{{- define "nats-k8s-oidc-callout.folder" -}}
/etc/nats-k8s-oidc-callout
{{- end }}

{{/* Secrets with keys and credentials: for each its value, its file, the variable that names it, its Secret. */}}
{{- define "nats-k8s-oidc-callout.keys" -}}
{{- $full := include "nats-k8s-oidc-callout.fullname" . }}
{{- range $one := list
  (list "userCredentials" "user.creds" "NATS_USER_CREDS_FILE" "user-credentials")
  (list "signingKey" "signing.key" "NATS_SIGNING_KEY_FILE" "signing-key")
  (list "accountSigningKey" "account-signing.key" "NATS_ACCOUNT_SIGNING_KEY_FILE" "account-signing-key")
  (list "xkey" "xkey.key" "NATS_XKEY_FILE" "xkey") }}
{{- $value := index $.Values.nats (index $one 0) }}
{{- if or $value.create $value.existingSecret }}
- file: {{ index $one 1 }}
  variable: {{ index $one 2 }}
  secret: {{ ternary (printf "%s-nats-%s" $full (index $one 3)) $value.existingSecret $value.create }}
  key: {{ ternary (index $one 1) $value.existingSecretKey $value.create }}
  content: {{ ternary $value.content "" $value.create | quote }}
{{- end }}
{{- end }}
{{- with .Values.nats.tls }}
{{- if .caSecret }}
- {file: tls-ca.crt, variable: NATS_TLS_CA_FILE, secret: {{ .caSecret }}, key: {{ .caSecretKey }}, content: ""}
{{- end }}
{{- if .clientSecret }}
- {file: tls-client.crt, variable: NATS_TLS_CERT_FILE, secret: {{ .clientSecret }}, key: tls.crt, content: ""}
- {file: tls-client.key, variable: NATS_TLS_KEY_FILE, secret: {{ .clientSecret }}, key: tls.key, content: ""}
{{- end }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.ceilingConfigMap" -}}
{{- $own := ternary (printf "%s-ceiling" (include "nats-k8s-oidc-callout.fullname" .)) "" (ne .Values.ceiling.content "") }}
{{- default $own .Values.ceiling.existingConfigMap }}
{{- end }}
