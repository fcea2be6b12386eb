{{/* What every pod that reads the service's settings has: variables, files, and where it may run. */}}

{{- define "nats-k8s-oidc-callout.environment" -}}
env:
  {{- include "nats-k8s-oidc-callout.settings" . | trim | nindent 2 }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if include "nats-k8s-oidc-callout.secretSettings" . | fromYaml }}
envFrom:
  - secretRef:
      name: {{ include "nats-k8s-oidc-callout.fullname" . }}-env
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.mounts" -}}
{{- $keys := include "nats-k8s-oidc-callout.keys" . | fromYamlArray }}
{{- $ceiling := include "nats-k8s-oidc-callout.ceilingConfigMap" . -}}
- name: api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- if or $keys $ceiling }}
- name: files
  mountPath: {{ include "nats-k8s-oidc-callout.folder" . }}
  readOnly: true
{{- end }}
{{- if .Values.secretVolume }}
- name: secrets
  mountPath: /secrets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.volumes" -}}
{{- $keys := include "nats-k8s-oidc-callout.keys" . | fromYamlArray }}
{{- $ceiling := include "nats-k8s-oidc-callout.ceilingConfigMap" . -}}
- name: api-access
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ .Values.apiToken.expirationSeconds }}
          {{- with .Values.apiToken.audience }}
          audience: {{ . | quote }}
          {{- end }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- if or $keys $ceiling }}
- name: files
  projected:
    defaultMode: 0440
    sources:
      {{- range $keys }}
      - secret:
          name: {{ .secret }}
          items:
            - key: {{ .key }}
              path: {{ .file }}
      {{- end }}
      {{- with $ceiling }}
      - configMap:
          name: {{ . }}
          items:
            - key: ceiling.yaml
              path: ceiling.yaml
      {{- end }}
{{- end }}
{{- if .Values.secretVolume }}
- name: secrets
  secret:
    secretName: {{ include "nats-k8s-oidc-callout.fullname" . }}-volume
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "nats-k8s-oidc-callout.place" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
