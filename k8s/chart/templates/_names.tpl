{{/* What things are called. Names and labels are those of the Go service's chart, so that a release can be taken over. */}}

{{- define "nats-k8s-oidc-callout.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "nats-k8s-oidc-callout.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Of objects that no namespace holds: two releases of one name in two namespaces keep apart. */}}
{{- define "nats-k8s-oidc-callout.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "nats-k8s-oidc-callout.fullname" .) }}
{{- end }}

{{- define "nats-k8s-oidc-callout.selectorLabels" -}}
app.kubernetes.io/name: {{ include "nats-k8s-oidc-callout.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nats-k8s-oidc-callout.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "nats-k8s-oidc-callout.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "nats-k8s-oidc-callout.serviceAccountName" -}}
{{- default (include "nats-k8s-oidc-callout.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "nats-k8s-oidc-callout.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* Metadata of an optional object that its value places in a namespace: a list of the root, that value, a suffix. */}}
{{- define "nats-k8s-oidc-callout.metadata" -}}
{{- $root := index . 0 }}
{{- $value := index . 1 -}}
name: {{ include "nats-k8s-oidc-callout.fullname" $root }}{{ index . 2 }}
namespace: {{ default $root.Release.Namespace $value.namespace }}
labels:
  {{- include "nats-k8s-oidc-callout.labels" $root | nindent 2 }}
  {{- with $value.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $value.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
