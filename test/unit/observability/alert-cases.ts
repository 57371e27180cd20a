/**
 * For each alert what makes it fire, and what comes close and does not. Values are promtool's: `0+60x30` begins at 0 and
 * rises by 60 a minute, for 30 minutes. Time begins at 0, so that an age of a day is a time before it.
 */
export interface AlertCase {
  severity: 'warning' | 'critical'
  /** Series and their values. */
  fires: Readonly<Record<string, string>>
  quiet: Readonly<Record<string, string>>
  /** Minutes after which it is looked at. */
  after: number
  /** Minutes between two values, and between two evaluations; absent is one. */
  every?: number
}

const HOUR = 3600
const kong = (code: number, values: string) => ({
  [`kong_http_requests_total{service="logos", code="${code}"}`]: values,
})
const calls = (status: string, values: string) => ({
  [`agentese_invocations_total{path="void.entropy.sip", status="${status}"}`]: values,
})

/** So many requests a minute, all within one of Kong's buckets. */
function latency(service: string, ms: number, perMinute: number, minutes: number) {
  const buckets = [250, 400, 700, 1000, 2000, 5000]
  const values = (bound: number) => `0+${bound >= ms ? perMinute : 0}x${minutes}`
  const series = [...buckets, Infinity].map((bound) => [
    `kong_request_latency_ms_bucket{service="${service}", le="${bound === Infinity ? '+Inf' : bound}"}`,
    values(bound),
  ])
  return {
    ...(Object.fromEntries(series) as Record<string, string>),
    [`kong_http_requests_total{service="${service}", code="200"}`]: `0+${perMinute}x${minutes}`,
  }
}

function invocations(seconds: number, perMinute: number) {
  const buckets = ['0.1', '1', '2', '5', '10', '+Inf'].map((le) => [
    `agentese_invocation_duration_seconds_bucket{path="world.*.manifest", le="${le}"}`,
    `0+${le === '+Inf' || Number(le) >= seconds ? perMinute : 0}x20`,
  ])
  return {
    ...(Object.fromEntries(buckets) as Record<string, string>),
    'agentese_invocation_duration_seconds_count{path="world.*.manifest"}': `0+${perMinute}x20`,
  }
}

/** A backup that succeeded `hours` ago. */
const succeeded = (cronjob: string, namespace: string, hours: number) => ({
  [`kube_cronjob_status_last_successful_time{namespace="${namespace}", cronjob="${cronjob}"}`]: `${-hours * HOUR}x5`,
})

function failedBackup(cronjob: string, namespace: string): Omit<AlertCase, 'severity' | 'after'> {
  const job = `namespace="${namespace}", job_name="${cronjob}-29700000"`
  const failed = {
    [`kube_job_status_failed{${job}, reason="BackoffLimitExceeded"}`]: '1x5',
    [`kube_job_status_start_time{${job}}`]: `${-2 * HOUR}x5`,
  }
  return {
    fires: { ...failed, ...succeeded(cronjob, namespace, 26) },
    // One that was run by hand since then went well.
    quiet: { ...failed, ...succeeded(cronjob, namespace, 1) },
  }
}

function missingBackup(cronjob: string, namespace: string, hours: number) {
  const neverYet = {
    [`kube_cronjob_created{namespace="${namespace}", cronjob="${cronjob}"}`]: `${-hours * HOUR}x5`,
  }
  return { neverYet, last: succeeded(cronjob, namespace, hours) }
}

function volume(part: number) {
  const labels = 'namespace="kgents-agents", persistentvolumeclaim="nats-backups"'
  return {
    [`kubelet_volume_stats_used_bytes{${labels}}`]: `${part * 100}x30`,
    [`kubelet_volume_stats_capacity_bytes{${labels}}`]: '100x30',
  }
}

const circuit = (minutesOpen: number) => ({
  'relay_nats_connected{pod="relay-0"}': `1x4 0x${minutesOpen} 1x30`,
  'kgents_hub_nats_connected{pod="stream-hub-0"}': '1x60',
})

export const CASES: Readonly<Record<string, AlertCase>> = {
  APIErrorsFast: {
    severity: 'critical',
    fires: { ...kong(200, '0+80x70'), ...kong(503, '0+20x70') },
    quiet: { ...kong(200, '0+95x70'), ...kong(503, '0+5x70'), ...kong(404, '0+100x70') },
    after: 70,
  },
  APIErrorsSlow: {
    severity: 'warning',
    fires: { ...kong(200, '0+95x70'), ...kong(500, '0+5x70') },
    quiet: { ...kong(200, '0+995x70'), ...kong(500, '0+5x70') },
    after: 70,
  },
  HighAPILatency: {
    severity: 'warning',
    fires: latency('logos', 3000, 100, 20),
    quiet: { ...latency('logos', 900, 100, 20), ...latency('stream-hub', 4000, 100, 20) },
    after: 20,
  },
  APILatencyP99: {
    severity: 'warning',
    fires: latency('logos', 700, 100, 30),
    // Two calls a minute wake a function each time.
    quiet: latency('logos', 3000, 2, 30),
    after: 30,
  },
  AgentesePathErrorsFast: {
    severity: 'critical',
    fires: { ...calls('success', '0+90x70'), ...calls('error', '0+10x70') },
    quiet: { ...calls('success', '0+50x70'), ...calls('rejected', '0+50x70'), ...calls('error', '0+1x70') },
    after: 70,
  },
  AgentesePathErrorsSlow: {
    severity: 'warning',
    fires: { ...calls('success', '0+98x70'), ...calls('error', '0+2x70') },
    quiet: { ...calls('success', '0+998x70'), ...calls('error', '0+2x70'), ...calls('refusal', '0+100x70') },
    after: 70,
  },
  AgenteseInvocationSlow: {
    severity: 'warning',
    fires: invocations(4, 60),
    quiet: invocations(1.5, 60),
    after: 20,
  },
  NATSCircuitOpen: { severity: 'warning', fires: circuit(8), quiet: circuit(3), after: 11 },
  NATSCircuitOpenCritical: { severity: 'critical', fires: circuit(20), quiet: circuit(12), after: 22 },
  NATSPodNotReady: {
    severity: 'critical',
    fires: { 'kube_pod_status_ready{namespace="kgents-agents", pod="nats-1", condition="true"}': '0x20' },
    quiet: {
      'kube_pod_status_ready{namespace="kgents-agents", pod="nats-1", condition="true"}': '1x20',
      'kube_pod_status_ready{namespace="kgents-agents", pod="nats-backup-1-x", condition="true"}': '0x20',
      'kube_statefulset_replicas{namespace="kgents-agents", statefulset="nats"}': '3x20',
      'kube_statefulset_status_replicas_ready{namespace="kgents-agents", statefulset="nats"}': '3x20',
    },
    after: 10,
  },
  NATSSlowConsumers: {
    severity: 'warning',
    fires: { 'nats_varz_slow_consumers{pod="nats-0"}': '0x5 1x10' },
    quiet: { 'nats_varz_slow_consumers{pod="nats-0"}': '3x15' },
    after: 12,
  },
  RelayNotLeading: {
    severity: 'critical',
    fires: {
      'relay_leading{database="a", pod="relay-0"}': '0x10',
      'relay_leading{database="a", pod="relay-1"}': '0x10',
    },
    quiet: {
      'relay_leading{database="a", pod="relay-0"}': '0x10',
      'relay_leading{database="a", pod="relay-1"}': '1x10',
    },
    after: 5,
  },
  OutboxLag: {
    severity: 'warning',
    fires: { 'relay_lag_seconds{database="a"}': '0+60x20' },
    quiet: { 'relay_lag_seconds{database="a"}': '30x20' },
    after: 15,
  },
  MeteringLag: {
    severity: 'warning',
    fires: { 'kgents_metering_lag_seconds{database="a"}': '0+60x10' },
    quiet: { 'kgents_metering_lag_seconds{database="a"}': '300x10' },
    after: 10,
  },
  MeteringDiscrepancy: {
    severity: 'warning',
    fires: { 'kgents_metering_discrepancies{database="a"}': '0 1x5' },
    quiet: { 'kgents_metering_discrepancies{database="a"}': '0x5' },
    after: 5,
  },
  OpenMeterFlushErrors: {
    severity: 'warning',
    fires: { kgents_openmeter_flush_errors_total: '0+12x20' },
    quiet: { kgents_openmeter_flush_errors_total: '0+3x20' },
    after: 15,
  },
  OpenMeterBufferFull: {
    severity: 'warning',
    fires: { 'kgents_openmeter_events_buffered{database="a"}': '1001x20' },
    quiet: { 'kgents_openmeter_events_buffered{database="a"}': '1000x20' },
    after: 15,
  },
  EventsSetAside: {
    severity: 'warning',
    fires: { relay_set_aside_total: '0x5 1x10' },
    quiet: { relay_set_aside_total: '4x15' },
    after: 10,
  },
  StripeWebhookErrors: {
    severity: 'warning',
    fires: { 'kgents_stripe_webhooks_errors_total{database="a"}': '0+12x20' },
    quiet: { 'kgents_stripe_webhooks_errors_total{database="a"}': '0+3x20' },
    after: 15,
  },
  WebhooksFail: {
    severity: 'warning',
    fires: {
      'kgents_webhook_attempts_total{outcome="delivered"}': '0+20x40',
      'kgents_webhook_attempts_total{outcome="failed"}': '0+60x40',
    },
    quiet: {
      'kgents_webhook_attempts_total{outcome="delivered"}': '0+60x40',
      'kgents_webhook_attempts_total{outcome="failed"}': '0+20x40',
      'kgents_webhook_attempts_total{outcome="skipped"}': '0+600x40',
    },
    after: 35,
  },
  PartDown: {
    severity: 'critical',
    fires: { 'up{job="kgents-parts", pod="relay-0"}': '0x10' },
    quiet: { 'up{job="kgents-parts", pod="relay-0"}': '1x10', 'up{job="somebody-else"}': '0x10' },
    after: 8,
  },
  InferenceQueueLong: {
    severity: 'warning',
    fires: {
      'relay_jobs_unfinished{pod="relay-0"}': '140x10',
      'relay_jobs_unfinished{pod="relay-1"}': '90x10',
    },
    quiet: {
      'relay_jobs_unfinished{pod="relay-0"}': '60x10',
      'relay_jobs_unfinished{pod="relay-1"}': '60x10',
    },
    after: 8,
  },
  InferenceJobsFail: {
    severity: 'warning',
    fires: {
      'kgents_worker_jobs_total{outcome="completed"}': '0+9x40',
      'kgents_worker_jobs_total{outcome="failed"}': '0+1x40',
    },
    quiet: {
      'kgents_worker_jobs_total{outcome="completed"}': '0+99x40',
      'kgents_worker_jobs_total{outcome="failed"}': '0+1x40',
      'kgents_worker_jobs_total{outcome="retried"}': '0+50x40',
    },
    after: 30,
  },
  GPUUnderused: {
    severity: 'warning',
    fires: { 'DCGM_FI_DEV_GPU_UTIL{Hostname="node", gpu="0"}': '10x70' },
    quiet: { 'DCGM_FI_DEV_GPU_UTIL{Hostname="node", gpu="0"}': '0 60 0 60 0 60 0 60 30x70' },
    after: 65,
  },
  NATSBackupFailed: { severity: 'warning', after: 3, ...failedBackup('nats-backup', 'kgents-agents') },
  PostgresBackupFailed: { severity: 'warning', after: 3, ...failedBackup('postgres-backup', 'kgents-triad') },
  NATSBackupMissing: {
    severity: 'warning',
    fires: missingBackup('nats-backup', 'kgents-agents', 26).neverYet,
    quiet: missingBackup('nats-backup', 'kgents-agents', 24).last,
    after: 3,
  },
  NATSBackupMissingCritical: {
    severity: 'critical',
    fires: missingBackup('nats-backup', 'kgents-agents', 49).last,
    quiet: missingBackup('nats-backup', 'kgents-agents', 47).last,
    after: 3,
  },
  PostgresBackupMissing: {
    severity: 'warning',
    fires: missingBackup('postgres-backup', 'kgents-triad', 26).last,
    quiet: missingBackup('postgres-backup', 'kgents-triad', 24).neverYet,
    after: 3,
  },
  PostgresBackupMissingCritical: {
    severity: 'critical',
    fires: missingBackup('postgres-backup', 'kgents-triad', 49).last,
    quiet: missingBackup('postgres-backup', 'kgents-triad', 47).last,
    after: 3,
  },
  PostgresArchiveMissing: {
    severity: 'critical',
    fires: { barman_cloud_cloudnative_pg_io_last_available_backup_timestamp: '1x60' },
    // None was made yet; and one was made in time.
    quiet: {
      'barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{pod="a"}': '0x60',
      'barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{pod="b"}': '7200x60',
    },
    after: 1530,
    every: 30,
  },
  OffsiteUploadStale: {
    severity: 'warning',
    fires: succeeded('nats-backup', 'kgents-agents', 49),
    quiet: succeeded('nats-backup', 'kgents-agents', 47),
    after: 3,
  },
  OffsiteUploadStaleCritical: {
    severity: 'critical',
    fires: succeeded('postgres-backup', 'kgents-triad', 73),
    quiet: succeeded('postgres-backup', 'kgents-triad', 71),
    after: 3,
  },
  NATSMirrorLag: {
    severity: 'warning',
    fires: succeeded('nats-mirror-setup', 'kgents-agents', 1),
    quiet: {
      ...succeeded('nats-mirror-setup', 'kgents-agents', 0.1),
      'nats_stream_mirror_active_duration_ns{stream_name="AGENTESE"}': '20000000000x5',
    },
    after: 4,
  },
  BackupVolumeNearlyFull: { severity: 'warning', fires: volume(0.85), quiet: volume(0.7), after: 20 },
  BackupVolumeFull: { severity: 'critical', fires: volume(0.97), quiet: volume(0.9), after: 20 },
}
