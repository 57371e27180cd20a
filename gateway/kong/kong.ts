/**
 * Kong's configuration, made from the catalog. Nothing is read and nothing depends on where it is deployed: keys,
 * allowed origins and the collector are added by `deploy.ts`.
 */
import { hostOf } from '../../shared/http/host-of.ts'
import { answerUnknown, GLOBAL_PLUGINS } from './plugins.ts'
import {
  endpointRoutes,
  functionRoutes,
  prefixOf,
  waitingRoutes,
  type RoutedEndpoint,
  type RoutedFunction,
} from './routes.ts'
import type { KongConfig, KongService } from './types.ts'

const HUB = 'stream-hub'
/** The consumer that every platform token belongs to. */
export const CONSUMER = 'platform'
/** The function that answers for paths of nodes that do not exist: it knows them all. */
const RESOLVER = 'logos'

/** What the stream hub answers itself. */
const OWN_ENDPOINTS: readonly RoutedEndpoint[] = [
  { name: 'jobs.stream', method: 'GET', path: '/v1/jobs/:id/stream', auth: 'required', streams: false },
  {
    name: 'subscribe.ack',
    method: 'POST',
    path: '/v1/agentese/subscribe/:id/ack',
    auth: 'required',
    streams: false,
  },
  {
    name: 'subscribe.end',
    method: 'DELETE',
    path: '/v1/agentese/subscribe/:id',
    auth: 'required',
    streams: false,
  },
]

/** The hub holds a `Prefer: wait` for up to 60 s without a byte, and sends a heartbeat into a stream every 15 s. */
const HUB_READ_TIMEOUT_MS = 90_000
/** A little more than the function's own deadline, so that the function's answer wins. */
const MARGIN_MS = 5_000

/** The declarative configuration for all functions of `catalog`. */
export function createKongConfig(catalog: readonly RoutedFunction[]): KongConfig {
  return {
    _format_version: '3.0',
    services: [...catalog.map(functionService), hubService(catalog)],
    routes: [
      {
        // Also answers preflight requests: Kong runs `cors` only where a route matches, and OPTIONS has none of its own.
        name: 'unknown',
        paths: ['/'],
        strip_path: false,
        preserve_host: false,
        plugins: [answerUnknown()],
      },
    ],
    consumers: [{ username: CONSUMER }],
    plugins: [...GLOBAL_PLUGINS],
  }
}

function functionService(definition: RoutedFunction): KongService {
  return {
    ...serviceTo(definition.name, definition.scale.timeoutSeconds * 1000 + MARGIN_MS),
    routes: functionRoutes(definition, prefixOf(definition, RESOLVER)),
  }
}

function hubService(catalog: readonly RoutedFunction[]): KongService {
  const waiting = catalog.flatMap(({ endpoints }) => endpoints).flatMap(waitingRoutes)
  return {
    ...serviceTo(HUB, HUB_READ_TIMEOUT_MS),
    routes: [...OWN_ENDPOINTS.flatMap((endpoint) => endpointRoutes(endpoint, '')), ...waiting].map(
      (route) => ({
        ...route,
        response_buffering: false,
      }),
    ),
  }
}

/** One retry: enough for a connection that broke while idle. nginx never repeats a POST that it has begun to send. */
function serviceTo(name: string, readTimeoutMs: number): Omit<KongService, 'routes'> {
  return {
    name,
    url: `http://${hostOf(name)}:80`,
    connect_timeout: 5_000,
    read_timeout: readTimeoutMs,
    write_timeout: 60_000,
    retries: 1,
  }
}
