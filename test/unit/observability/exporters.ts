/**
 * Metrics that programs of others export and that rules and dashboards name: each was looked up in the source of the version
 * that the manifests pin, and stands here under what exports it.
 */
export const EXPORTERS: Readonly<Record<string, readonly string[]>> = {
  'Prometheus, for each target': ['up'],
  'Kong 3.9, plugin prometheus': [
    'kong_http_requests_total',
    'kong_kong_latency_ms_bucket',
    'kong_request_latency_ms_bucket',
    'kong_upstream_latency_ms_bucket',
  ],
  'Knative Serving 1.23, by OTLP': [
    'kn_revision_pods_count',
    'kn_revision_pods_desired',
    'kn_revision_pods_not_ready_count',
    'kn_revision_request_queued',
    'kn_serving_invocation_duration_seconds_count',
  ],
  'kube-state-metrics 2.20': [
    'kube_cronjob_created',
    'kube_cronjob_status_last_successful_time',
    'kube_deployment_spec_replicas',
    'kube_deployment_status_replicas_available',
    'kube_job_status_failed',
    'kube_job_status_start_time',
    'kube_pod_container_status_restarts_total',
    'kube_pod_status_ready',
    'kube_statefulset_replicas',
    'kube_statefulset_status_replicas_ready',
  ],
  kubelet: ['kubelet_volume_stats_capacity_bytes', 'kubelet_volume_stats_used_bytes'],
  'prometheus-nats-exporter 0.20, prefix nats': [
    'nats_consumer_num_pending',
    'nats_stream_mirror_active_duration_ns',
    'nats_stream_total_bytes',
    'nats_varz_slow_consumers',
  ],
  'CloudNativePG and its Barman plugin': [
    'barman_cloud_cloudnative_pg_io_last_available_backup_timestamp',
    'cnpg_backends_total',
  ],
  'dcgm-exporter 4.5': ['DCGM_FI_DEV_FB_USED', 'DCGM_FI_DEV_GPU_UTIL'],
}
