/**
 * What Kong OSS 3.9 takes, as far as kgents may use it: entities, their fields, bundled plugins and theirs. Kong
 * refuses an unknown field and then does not start, so everything here is strict.
 */
import { z } from 'zod'

const Milliseconds = z
  .int()
  .min(1)
  .max(2 ** 31 - 2)
const Name = z.string().regex(/^[A-Za-z0-9._~-]+$/)
const HeaderName = z.string().regex(/^[A-Za-z0-9-]+$/)
const Lua = z.array(z.string()).optional()

const PLUGINS = {
  'pre-function': z.strictObject({
    certificate: Lua,
    rewrite: Lua,
    access: Lua,
    header_filter: Lua,
    body_filter: Lua,
    log: Lua,
  }),
  'correlation-id': z.strictObject({
    header_name: HeaderName.optional(),
    generator: z.enum(['uuid', 'uuid#counter', 'tracker']).optional(),
    echo_downstream: z.boolean().optional(),
  }),
  cors: z
    .strictObject({
      origins: z.array(z.string()).optional(),
      methods: z
        .array(z.enum(['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']))
        .optional(),
      headers: z.array(HeaderName).optional(),
      exposed_headers: z.array(HeaderName).optional(),
      credentials: z.boolean().optional(),
      max_age: z.number().optional(),
      preflight_continue: z.boolean().optional(),
      private_network: z.boolean().optional(),
    })
    .refine(({ origins, credentials }) => credentials !== true || origins?.includes('*') !== true, {
      message: 'with credentials, every site would be let in',
    }),
  jwt: z.strictObject({
    claims_to_verify: z.array(z.enum(['exp', 'nbf'])).min(1),
    key_claim_name: z.string().optional(),
    header_names: z.array(z.string()).optional(),
    uri_param_names: z.array(z.string()).optional(),
    cookie_names: z.array(z.string()).optional(),
    secret_is_base64: z.boolean().optional(),
    anonymous: z.string().optional(),
    run_on_preflight: z.boolean().optional(),
    maximum_expiration: z.number().min(0).max(31_536_000).optional(),
    realm: z.string().optional(),
  }),
  'rate-limiting': z.strictObject({
    minute: z.number().positive().optional(),
    limit_by: z
      .enum(['consumer', 'credential', 'ip', 'service', 'header', 'path', 'consumer-group'])
      .optional(),
    policy: z.enum(['local', 'cluster', 'redis']).optional(),
    fault_tolerant: z.boolean().optional(),
    hide_client_headers: z.boolean().optional(),
  }),
  'request-size-limiting': z.strictObject({
    allowed_payload_size: z.int().optional(),
    size_unit: z.enum(['megabytes', 'kilobytes', 'bytes']).optional(),
    require_content_length: z.boolean().optional(),
  }),
  'request-transformer': z.strictObject({
    remove: z.strictObject({ headers: z.array(HeaderName) }).optional(),
  }),
  prometheus: z.strictObject({
    per_consumer: z.boolean().optional(),
    status_code_metrics: z.boolean().optional(),
    latency_metrics: z.boolean().optional(),
    bandwidth_metrics: z.boolean().optional(),
    upstream_health_metrics: z.boolean().optional(),
  }),
  'request-termination': z
    .strictObject({
      status_code: z.int().min(100).max(599).optional(),
      message: z.string().optional(),
      content_type: z.string().optional(),
      body: z.string().optional(),
    })
    .refine(
      ({ message, content_type, body }) => message === undefined || (content_type ?? body) === undefined,
    )
    .refine(({ content_type, body }) => content_type === undefined || body !== undefined),
  opentelemetry: z
    .strictObject({
      traces_endpoint: z.url().optional(),
      logs_endpoint: z.url().optional(),
      headers: z.record(z.string(), z.string()).optional(),
      resource_attributes: z.record(z.string(), z.string()).optional(),
      propagation: z.strictObject({ default_format: z.literal('w3c') }).optional(),
      sampling_rate: z.number().min(0).max(1).optional(),
    })
    .refine(({ traces_endpoint, logs_endpoint }) => (traces_endpoint ?? logs_endpoint) !== undefined),
}

const Plugin = z
  .strictObject({ name: z.string(), config: z.unknown() })
  .superRefine(({ name, config }, context) => {
    const known = PLUGINS[name as keyof typeof PLUGINS] as z.ZodType | undefined
    if (known === undefined)
      return context.addIssue({ code: 'custom', message: `no bundled plugin "${name}"` })
    for (const issue of known.safeParse(config).error?.issues ?? []) {
      context.addIssue({ code: 'custom', path: ['config', ...issue.path], message: issue.message })
    }
  })

const Route = z
  .strictObject({
    name: Name,
    paths: z.array(z.string().regex(/^~?\//)).min(1),
    methods: z.array(z.string().regex(/^[A-Z]+$/)).optional(),
    headers: z.record(HeaderName, z.array(z.string()).min(1)).optional(),
    regex_priority: z.int().min(0).optional(),
    strip_path: z.boolean(),
    path_handling: z.literal('v0').optional(),
    preserve_host: z.boolean(),
    request_buffering: z.boolean().optional(),
    response_buffering: z.boolean().optional(),
    tags: z.array(z.string().regex(/^[A-Za-z0-9._~-]+$/)).optional(),
    plugins: z.array(Plugin).optional(),
  })
  // Kong 3 ranks a route by its first path; what is mixed cannot be ranked
  .refine(({ paths }) => new Set(paths.map((path) => path.startsWith('~'))).size === 1)
  // `~*` stands for a regular expression only where it is the header's one value
  .refine(({ headers }) =>
    Object.values(headers ?? {}).every(
      (values) => values.length === 1 || values.every((value) => !value.startsWith('~*')),
    ),
  )

const Service = z.strictObject({
  name: Name,
  url: z.string().regex(/^http:\/\/[a-z0-9.-]+:\d+$/),
  retries: z.int().min(0).max(32_767),
  connect_timeout: Milliseconds,
  read_timeout: Milliseconds,
  write_timeout: Milliseconds,
  routes: z.array(Route),
})

const Consumer = z.strictObject({
  username: z.string(),
  custom_id: z.string().optional(),
  jwt_secrets: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        algorithm: z.enum(['EdDSA', 'ES256']),
        rsa_public_key: z.string().startsWith('-----BEGIN PUBLIC KEY-----\n'),
      }),
    )
    .optional(),
})

export const KongFile = z
  .strictObject({
    _format_version: z.literal('3.0'),
    services: z.array(Service),
    routes: z.array(Route),
    consumers: z.array(Consumer),
    plugins: z.array(Plugin),
  })
  .refine(({ services }) => isUnique(services.map(({ name }) => name)), 'two services have one name')
  .refine(
    ({ services, routes }) =>
      isUnique([...services.flatMap((service) => service.routes), ...routes].map(({ name }) => name)),
    'two routes have one name',
  )

function isUnique(names: string[]): boolean {
  return new Set(names).size === names.length
}
