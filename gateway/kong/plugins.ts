/** The plugins that kgents needs of Kong, all of them bundled with Kong OSS 3.9, and why each is set as it is. */
import { ANSWERS } from '../answers.ts'
import { PROBLEM_BODY_LUA, PROBLEM_HEADERS_LUA } from './problem-lua.ts'
import { requestLua } from './request-lua.ts'
import {
  EVENT_STRIPPED_HEADERS,
  EVENT_STRIPPED_PREFIXES,
  STRIPPED_HEADERS,
  STRIPPED_PREFIXES,
} from './stripped-headers.ts'
import type { KongPlugin } from './types.ts'

/** Run for every request, whatever its route. Their order here means nothing: Kong's is fixed. */
export const GLOBAL_PLUGINS: readonly KongPlugin[] = [
  runLua(STRIPPED_PREFIXES),
  {
    name: 'correlation-id',
    config: { header_name: 'X-Request-ID', generator: 'uuid', echo_downstream: true },
  },
  {
    // Any site may call with a token that it was given; none may use the cookies of a visitor, as there are none.
    name: 'cors',
    config: {
      origins: ['*'],
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      headers: [
        'Authorization',
        'X-API-Key',
        'Content-Type',
        'Accept',
        'Prefer',
        'X-Observer-Archetype',
        'Idempotency-Key',
        'Priority',
        'X-Deadline',
        'If-None-Match',
        'Last-Event-ID',
        'traceparent',
        'tracestate',
        'X-Request-ID',
      ],
      exposed_headers: [
        'Location',
        'ETag',
        'Idempotency-Replayed',
        'Retry-After',
        'RateLimit-Limit',
        'RateLimit-Remaining',
        'RateLimit-Reset',
        'Preference-Applied',
        'traceparent',
        'X-Request-ID',
      ],
      credentials: false,
      max_age: 3600,
      preflight_continue: false,
    },
  },
  {
    // Functions check the size again; this keeps large bodies from travelling at all.
    name: 'request-size-limiting',
    config: { allowed_payload_size: 1, size_unit: 'megabytes', require_content_length: false },
  },
  removeHeaders(STRIPPED_HEADERS),
  {
    // Everything but liveness is off by default. Per-consumer metrics are useless here: there is one.
    name: 'prometheus',
    config: {
      per_consumer: false,
      status_code_metrics: true,
      latency_metrics: true,
      bandwidth_metrics: true,
    },
  },
]

/**
 * Lets the attributes of an event through, where events are taken: a route's plugins stand in for the global ones of the
 * same name. Nothing of them is believed there but what the credential allows.
 */
export function letEventsIn(): KongPlugin[] {
  return [runLua(EVENT_STRIPPED_PREFIXES), removeHeaders(EVENT_STRIPPED_HEADERS)]
}

function runLua(strippedPrefixes: readonly string[]): KongPlugin {
  return {
    name: 'pre-function',
    config: {
      access: requestLua(strippedPrefixes),
      header_filter: [PROBLEM_HEADERS_LUA],
      body_filter: [PROBLEM_BODY_LUA],
    },
  }
}

function removeHeaders(headers: readonly string[]): KongPlugin {
  return { name: 'request-transformer', config: { remove: { headers: [...headers] } } }
}

/** Counts in each Kong by itself; the function counts for all of them. */
export function limitAddress(perMinute: number): KongPlugin {
  return {
    name: 'rate-limiting',
    config: {
      minute: perMinute,
      limit_by: 'ip',
      policy: 'local',
      fault_tolerant: true,
      hide_client_headers: true,
    },
  }
}

/** Lets only holders of a valid platform token through. Issuer and audience are checked by the function: Kong cannot. */
export function requireToken(): KongPlugin {
  return {
    name: 'jwt',
    config: {
      claims_to_verify: ['exp'],
      key_claim_name: 'kid',
      header_names: ['authorization'],
      // the side doors: a token in an address ends up in logs, one in a cookie is sent by any site
      uri_param_names: [],
      cookie_names: [],
      run_on_preflight: false,
    },
  }
}

/** Answers in place of a service that no such path exists. */
export function answerUnknown(): KongPlugin {
  return { name: 'request-termination', config: { status_code: ANSWERS.routeUnknown.status } }
}

/** Sends spans to an OTLP collector; Kong makes them only with `tracing_instrumentations` on. */
export function sendSpans(tracesEndpoint: string): KongPlugin {
  return {
    name: 'opentelemetry',
    config: {
      traces_endpoint: tracesEndpoint,
      resource_attributes: { 'service.name': 'kong' },
      propagation: { default_format: 'w3c' },
    },
  }
}
