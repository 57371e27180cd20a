/**
 * Kong's configuration, made from the catalog and the list of parts. Nothing is read and nothing depends on where it is deployed: keys,
 * allowed origins and the collector are added by `deploy.ts`.
 */
import type { Component } from '../../shared/contract/component.ts'
import { hostOf } from '../../shared/http/host-of.ts'
import { answerUnknown, GLOBAL_PLUGINS } from './plugins.ts'
import {
  endpointRoutes,
  functionRoutes,
  otherMethods,
  prefixOf,
  waitingRoutes,
  type RoutedFunction,
} from './routes.ts'
import type { KongConfig, KongService } from './types.ts'

/** The consumer that every platform token belongs to. */
export const CONSUMER = 'platform'
/** The function that answers for paths of nodes that do not exist: it knows them all. */
const RESOLVER = 'logos'

/** More than Knative adds to the function's own deadline, so that the function's answer wins over both. */
const MARGIN_MS = 20_000
/** Kong's own default. */
const PART_READ_TIMEOUT_MS = 60_000

/** What Kong routes to a part; a `Component` has it. */
export type RoutedPart = Pick<Component, 'name' | 'endpoints' | 'waits'>

/** The declarative configuration for all functions of `catalog`, and for those of `parts` that have routes. */
export function createKongConfig(
  catalog: readonly RoutedFunction[],
  parts: readonly RoutedPart[],
): KongConfig {
  const services = [...catalog.map(functionService), ...parts.map((part) => partService(part, catalog))]
  return {
    _format_version: '3.0',
    services: services.filter(({ routes }) => routes.length > 0),
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

/** The routes that a part declares and, of the one that waits, those of functions for callers that stay on the line. */
function partService(
  { name, endpoints, waits }: RoutedPart,
  catalog: readonly RoutedFunction[],
): KongService {
  const own = [
    ...endpoints.flatMap((endpoint) => endpointRoutes(endpoint, '')),
    ...otherMethods(name, endpoints),
  ]
  if (waits === undefined) return { ...serviceTo(name, PART_READ_TIMEOUT_MS), routes: own }
  const waiting = waitingRoutes(catalog.flatMap(({ endpoints }) => endpoints))
  return {
    ...serviceTo(name, waits.silentSeconds * 1000),
    routes: [...own, ...waiting].map((route) => ({ ...route, response_buffering: false })),
  }
}

/** One retry, for a connection that could not be made; `SEND_ONCE_LUA` prevents any of what was sent. */
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
