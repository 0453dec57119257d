{{- define "isthmus.labels" -}}
app.kubernetes.io/part-of: isthmus
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "isthmus.image" -}}
{{- $values := .root.Values.image -}}
{{- with $values.registry }}{{ . }}/{{ end }}{{ .name }}:{{ $values.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "isthmus.trustDomain" -}}
{{ .Values.trustDomain | default .Values.clusterDomain }}
{{- end }}

{{/* A label's value: a letter or digit last, at most 63 characters, of which a digest keeps long names apart. */}}
{{- define "isthmus.network" -}}
{{- $trustDomain := regexReplaceAll "[^0-9A-Za-z]+$" (include "isthmus.trustDomain" .) "" -}}
{{- $name := $trustDomain | replace "." "-" | printf "network-%s" -}}
{{- if gt (len $name) 63 }}{{ $name = printf "%s-%s" (trunc 52 $name) (adler32sum $name) }}{{ end -}}
{{ .Values.network | default $name }}
{{- end }}

{{- define "isthmus.wayOutTlsSecret" -}}
{{ .Values.wayOut.tls.secretName | default "isthmus-way-out-tls" }}
{{- end }}

{{- define "isthmus.tlsSecret" -}}
{{ .Values.metadataApi.tls.secretName | default "isthmus-metadata-tls" }}
{{- end }}

{{/* Host name in multicluster.apiHost, without the port; empty where multicluster is not enabled. */}}
{{- define "isthmus.apiHostName" -}}
{{- if .Values.multicluster.enabled -}}{{ regexReplaceAll ":[0-9]+$" .Values.multicluster.apiHost "" }}{{- end -}}
{{- end }}

{{- define "isthmus.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "isthmus.databaseEnv" -}}
{{- with .Values.store.databaseURLSecret }}
- name: DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ . }}, key: DATABASE_URL } }
{{- end }}
{{- end }}

{{- define "isthmus.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: { drop: [ALL] }
{{- end }}
