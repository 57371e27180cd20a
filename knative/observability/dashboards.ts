/** The dashboards: one for each plane, and one for models with the panels of the seed. */
import type { Dashboard, Panel } from './panels.ts'
import { quantile, quantiles, rate, share, top } from './queries.ts'

const KNATIVE = 'queue-proxy and autoscaler that send their metrics (config-observability)'
const CALLS = 'agentese_invocations_total'
const KONG = 'kong_http_requests_total'
const K_GENT = 'path=~"self\\\\.(kgent|soul|memory)\\\\..*"'
const CHAT = 'gen_ai_client_inference_duration_seconds'

/** Panels about the calls of some paths. */
function callPanels(matchers: string): Panel[] {
  const ofThem = (more = '') => `${CALLS}{${[matchers, more].filter((part) => part !== '').join(', ')}}`
  return [
    { title: 'Calls by path', unit: 'reqps', queries: { '{{path}}': top(rate(ofThem(), 'path')) } },
    {
      title: 'Calls by outcome',
      unit: 'reqps',
      queries: { '{{status}}': rate(ofThem(), 'status') },
      help: 'rejected: the caller is at fault. error: the platform is.',
    },
    {
      title: 'Errors by path',
      unit: 'percentunit',
      queries: { '{{path}}': top(share(ofThem('status="error"'), ofThem(), 'path')) },
      help: 'At most 0.5 % is the objective.',
    },
    {
      title: 'Duration, p95 by path',
      unit: 's',
      queries: {
        '{{path}}': top(quantile(0.95, 'agentese_invocation_duration_seconds', matchers, 'path')),
      },
      help: 'In the function, without its start, of calls that ask no model. At most 2 s is the objective.',
    },
  ]
}

const gateway: Dashboard = {
  name: 'gateway',
  title: 'Gateway and API',
  panels: [
    { title: 'Requests by service', unit: 'reqps', queries: { '{{service}}': top(rate(KONG, 'service')) } },
    { title: 'Requests by status', unit: 'reqps', queries: { '{{code}}': rate(KONG, 'code') } },
    {
      title: 'Errors (5xx)',
      unit: 'percentunit',
      queries: {
        'last 5 minutes': 'kong:errors:ratio_rate5m',
        'last hour': 'kong:errors:ratio_rate1h',
        'last 3 days': 'kong:errors:ratio_rate3d',
      },
      help: 'At most 1 % is the objective.',
    },
    {
      title: 'Latency',
      unit: 'ms',
      queries: quantiles('kong_request_latency_ms', 'service!="stream-hub"'),
      help: 'Without the stream hub, which holds requests open. p99 of at most 500 ms is the objective.',
    },
    {
      title: 'Latency, p95 by service',
      unit: 'ms',
      queries: { '{{service}}': top(quantile(0.95, 'kong_request_latency_ms', '', 'service')) },
    },
    {
      title: 'Latency of Kong itself, and of what is behind it',
      unit: 'ms',
      queries: {
        'Kong, p95': quantile(0.95, 'kong_kong_latency_ms'),
        'behind it, p95': quantile(0.95, 'kong_upstream_latency_ms', 'service!="stream-hub"'),
      },
      emptyWithout: 'Kong: the local gateway does not measure them apart',
    },
    {
      title: 'Refused by limits',
      unit: 'reqps',
      queries: { '{{service}}': rate(`${KONG}{code="429"}`, 'service') },
      emptyWithout: 'a caller above a limit',
    },
    {
      title: 'Open streams',
      unit: 'short',
      queries: {
        jobs: 'sum(kgents_hub_open_streams)',
        'subscriptions, {{delivery}}': 'sum by (delivery) (agentese_subscription_active)',
      },
    },
  ],
}

const agentese: Dashboard = {
  name: 'agentese',
  title: 'AGENTESE',
  panels: [
    ...callPanels(''),
    { title: 'Calls by context', unit: 'reqps', queries: { '{{context}}': rate(CALLS, 'context') } },
    { title: 'Calls by tier', unit: 'reqps', queries: { '{{tier}}': rate(CALLS, 'tier') } },
    {
      title: 'Failures by code',
      unit: 'reqps',
      queries: { '{{code}}': top(rate('agentese_errors_total', 'code')) },
      emptyWithout: 'a call that failed',
    },
    {
      title: 'Effects',
      unit: 'ops',
      queries: {
        '{{effect}}:{{resource}}': top(rate('agentese_effect_operations_total', 'effect', 'resource')),
      },
    },
    {
      title: 'Requests in functions',
      unit: 'reqps',
      queries: {
        '{{kn_service_name}}': top(rate('kn_serving_invocation_duration_seconds_count', 'kn_service_name')),
      },
      emptyWithout: KNATIVE,
    },
    {
      title: 'Pods by function',
      unit: 'short',
      queries: { '{{kn_service_name}}': top('sum by (kn_service_name) (kn_revision_pods_count)') },
      emptyWithout: KNATIVE,
    },
  ],
}

const kGent: Dashboard = {
  name: 'k-gent',
  title: 'K-gent',
  panels: [
    ...callPanels(K_GENT),
    {
      title: 'From call to answer of the model',
      unit: 's',
      queries: quantiles('agentese_job_duration_seconds', K_GENT),
      help: 'Queue, model and continuation together.',
    },
    {
      title: 'Memory: recalled and kept',
      unit: 'reqps',
      queries: { '{{aspect}}': top(rate(`${CALLS}{path=~"self\\\\.memory\\\\..*"}`, 'aspect')) },
    },
    {
      title: 'Streams by how they ended',
      unit: 'ops',
      queries: { '{{how}}': rate('kgents_hub_closed_streams_total', 'how') },
      emptyWithout: 'a client that follows a job',
      help: 'slow: the client did not read.',
    },
    {
      title: 'Requests that waited for their job',
      unit: 'reqps',
      queries: { '{{how}}': rate('kgents_hub_waits_total', 'how') },
      emptyWithout: 'a client that sends Prefer: wait',
    },
  ],
}

const controlPlane: Dashboard = {
  name: 'control-plane',
  title: 'Control plane',
  panels: [
    {
      title: 'Requests by operation',
      unit: 'reqps',
      queries: {
        '{{service}}': top(rate(`${KONG}{service!~"(void|self|world|time|concept)(-.*)?"}`, 'service')),
      },
    },
    {
      title: 'Sign-in: tokens issued and refused',
      unit: 'reqps',
      queries: { '{{code}}': rate(`${KONG}{service="issue-token"}`, 'code') },
      help: 'Many 401 are keys that were revoked, or somebody who tries.',
    },
    {
      title: 'What was used up, by tier',
      unit: 'short',
      queries: { '{{resource}}, {{tier}}': rate('agentese_charges_total', 'resource', 'tier') },
      help: 'Per second, in the unit of the resource.',
    },
    {
      title: 'Functions that were woken by the clock',
      unit: 'ops',
      queries: { ticks: rate('relay_ticks_total') },
    },
    {
      title: 'Requests that wait for a function to wake',
      unit: 'short',
      queries: { '{{kn_revision_name}}': 'sum by (kn_revision_name) (kn_revision_request_queued)' },
      emptyWithout: KNATIVE,
    },
    {
      title: 'Pods that are wanted, and that there are',
      unit: 'short',
      queries: {
        wanted: 'sum(kn_revision_pods_desired)',
        there: 'sum(kn_revision_pods_count)',
        'not ready': 'sum(kn_revision_pods_not_ready_count)',
      },
      emptyWithout: KNATIVE,
    },
    {
      title: 'Containers that restarted',
      unit: 'short',
      queries: {
        '{{namespace}}/{{pod}}':
          'sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total{namespace=~"kgents.*"}[1h])) > 0',
      },
      emptyWithout: 'kube-state-metrics and a restart',
    },
    {
      title: 'Targets that do not answer',
      unit: 'short',
      queries: { '{{job}}': 'count by (job) (up == 0)' },
      emptyWithout: 'one',
    },
  ],
}

const inference: Dashboard = {
  name: 'inference',
  title: 'GPU and inference',
  panels: [
    {
      title: 'Jobs that are not finished',
      unit: 'short',
      queries: {
        'not finished': 'max(relay_jobs_unfinished)',
        'wait for admission': 'sum(relay_jobs_waiting)',
        run: 'sum(kgents_worker_jobs_running)',
      },
      help: 'Above 100 not finished there is an alert; the pool of workers grows with the same number.',
    },
    {
      title: 'Jobs by outcome',
      unit: 'ops',
      queries: { '{{outcome}}': rate('kgents_worker_jobs_total', 'outcome') },
    },
    {
      title: 'Tokens per second, by model',
      unit: 'short',
      queries: {
        'in, {{gen_ai_request_model}}': rate(
          'gen_ai_client_inference_usage_input_tokens_total',
          'gen_ai_request_model',
        ),
        'out, {{gen_ai_request_model}}': rate(
          'gen_ai_client_inference_usage_output_tokens_total',
          'gen_ai_request_model',
        ),
      },
    },
    {
      title: 'Time to the first words',
      unit: 's',
      queries: quantiles('gen_ai_client_inference_time_to_first_chunk_seconds'),
    },
    {
      title: 'Duration of embeddings',
      unit: 's',
      queries: quantiles('gen_ai_client_embeddings_duration_seconds'),
      emptyWithout: 'a model that embeds, and texts for it',
    },
    {
      title: 'Errors of models',
      unit: 'ops',
      queries: {
        '{{error_type}}, {{gen_ai_provider_name}}': rate(
          `${CHAT}_count{error_type!=""}`,
          'error_type',
          'gen_ai_provider_name',
        ),
      },
      emptyWithout: 'an error',
    },
    {
      title: 'Use of GPUs',
      unit: 'percent',
      queries: { '{{Hostname}} {{gpu}}': 'avg by (Hostname, gpu) (DCGM_FI_DEV_GPU_UTIL)' },
      emptyWithout: 'GPUs and their exporter',
      help: 'Below 20 % for an hour there is an alert.',
    },
    {
      title: 'Memory of GPUs',
      unit: 'decmbytes',
      queries: { '{{Hostname}} {{gpu}}': 'sum by (Hostname, gpu) (DCGM_FI_DEV_FB_USED)' },
      emptyWithout: 'GPUs and their exporter',
    },
    {
      title: 'Workers',
      unit: 'short',
      queries: {
        wanted: 'sum(kube_deployment_spec_replicas{namespace="kgents", deployment="gpu-worker"})',
        available:
          'sum(kube_deployment_status_replicas_available{namespace="kgents", deployment="gpu-worker"})',
      },
      emptyWithout: 'kube-state-metrics',
    },
  ],
}

const data: Dashboard = {
  name: 'data',
  title: 'Data and messaging',
  panels: [
    {
      title: 'Age of the oldest event that waits',
      unit: 's',
      queries: { '{{database}}': 'max by (database) (relay_lag_seconds)' },
      help: 'Seconds at most, while NATS is well.',
    },
    {
      title: 'Age of the oldest call that is not counted',
      unit: 's',
      queries: { '{{database}}': 'max by (database) (kgents_metering_lag_seconds)' },
      help: 'Seconds: usage is counted every two seconds, behind the oldest transaction that runs.',
    },
    {
      title: 'Events',
      unit: 'ops',
      queries: {
        published: rate('relay_published_total'),
        'handed to the Broker': rate('relay_forwarded_total'),
        'tried again': rate('relay_forward_retries_total'),
        'refused for good': rate('relay_forward_rejected_total'),
        'dead letters of jobs': rate('relay_dead_letters_total'),
      },
    },
    {
      title: 'NATS reached by',
      unit: 'short',
      queries: {
        relays: 'sum(relay_nats_connected)',
        hubs: 'sum(kgents_hub_nats_connected)',
        webhooks: 'sum(kgents_webhook_nats_connected)',
      },
      help: 'Below the number of pods, the circuit is open.',
    },
    {
      title: 'Delivered to webhooks',
      unit: 'ops',
      queries: { '{{outcome}}': rate('kgents_webhook_attempts_total', 'outcome') },
    },
    {
      title: 'From an event to its subscriber',
      unit: 's',
      queries: quantiles('agentese_subscription_lag_seconds'),
      emptyWithout: 'a subscription that is streamed',
    },
    {
      title: 'Messages that consumers have not taken',
      unit: 'short',
      queries: {
        '{{stream_name}} {{consumer_name}}':
          'topk(10, max by (stream_name, consumer_name) (nats_consumer_num_pending{is_consumer_leader="true"}))',
      },
      emptyWithout: 'the exporter of NATS',
    },
    {
      title: 'Size of streams',
      unit: 'bytes',
      queries: { '{{stream_name}}': 'max by (stream_name) (nats_stream_total_bytes)' },
      emptyWithout: 'the exporter of NATS',
    },
    {
      title: 'Requests to Redis',
      unit: 'reqps',
      queries: { '{{status}}': rate('kgents_redis_requests_total', 'status') },
      help: '503: Redis is unavailable, and functions limit by themselves.',
    },
    {
      title: 'Connections of PostgreSQL',
      unit: 'short',
      queries: { '{{pod}} {{state}}': 'sum by (pod, state) (cnpg_backends_total)' },
      emptyWithout: 'CloudNativePG',
    },
    {
      title: 'Age of backups',
      unit: 's',
      queries: {
        '{{cronjob}}':
          'time() - max by (cronjob) (kube_cronjob_status_last_successful_time{cronjob=~"nats-backup|postgres-backup"})',
        'PostgreSQL cluster':
          'time() - max(barman_cloud_cloudnative_pg_io_last_available_backup_timestamp > 0)',
      },
      emptyWithout: 'a backup',
    },
    {
      title: 'Volumes',
      unit: 'percentunit',
      queries: {
        '{{persistentvolumeclaim}}':
          'max by (persistentvolumeclaim) (kubelet_volume_stats_used_bytes{namespace=~"kgents.*"} / kubelet_volume_stats_capacity_bytes)',
      },
      emptyWithout: 'kubelets',
    },
  ],
}

/** Tokens of jobs by tenant, as the worker logs them; of a job that was cancelled too. */
function tokensByTenant(kind: 'prompt' | 'completion'): string {
  const lines = '{k8s_namespace_name="kgents", k8s_container_name="part"} |~ "job (completed|stopped)"'
  const fields = `json tenant="tenant", tokens="tokens.${kind}"`
  return `sum by (tenant) (sum_over_time(${lines} | ${fields} | tokens != "" | unwrap tokens [$__range]))`
}

const ai: Dashboard = {
  name: 'ai',
  title: 'AI',
  inputs: {
    price_in: { label: 'USD for a million tokens in', value: '0.50' },
    price_out: { label: 'USD for a million tokens out', value: '1.50' },
  },
  panels: [
    {
      title: 'Token consumption by tenant',
      unit: 'short',
      type: 'bars',
      source: 'loki',
      queries: {
        '{{tenant}} in': `topk(20, ${tokensByTenant('prompt')})`,
        '{{tenant}} out': `topk(20, ${tokensByTenant('completion')})`,
      },
      help: 'From the logs of workers: tenants are no labels of metrics.',
    },
    {
      title: 'LLM latency distribution',
      unit: 's',
      queries: quantiles(CHAT),
      help: 'The model alone, without queue and continuation.',
    },
    {
      title: 'Cost per tenant (USD)',
      unit: 'currencyUSD',
      type: 'bars',
      source: 'loki',
      queries: {
        '{{tenant}}': `topk(20, (${tokensByTenant('prompt')} * $price_in + ${tokensByTenant('completion')} * $price_out) / 1e6)`,
      },
      help: 'Tokens at the prices above, over the time that is shown. Bills follow from the ledger and not from here.',
    },
    {
      title: 'Witness and manifest operations',
      unit: 'reqps',
      queries: { '{{aspect}}': rate(`${CALLS}{aspect=~"witness|manifest"}`, 'aspect') },
    },
    {
      title: 'Tokens, in and out',
      unit: 'short',
      queries: { '{{direction}}': rate('agentese_tokens_total', 'direction') },
      help: 'Per second, of jobs that were completed.',
    },
    {
      title: 'Tokens by tier',
      unit: 'short',
      queries: { '{{tier}}': rate('agentese_charges_total{resource="tokens"}', 'tier') },
      help: 'Per second, as charged.',
    },
  ],
}

export const dashboards: readonly Dashboard[] = [gateway, agentese, kGent, controlPlane, inference, data, ai]
