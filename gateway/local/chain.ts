/**
 * The plugins of each route, in Kong's fixed order. What kong.yaml needs and this gateway does not know stops the
 * start: a guard that is silently missing here would be found missing in production.
 */
import { LRUCache } from 'lru-cache'
import type { KongConfig, KongPlugin } from '../kong/types.ts'
import type { CreatePlugin, Plugin, PluginContext } from './plugin.ts'
import { createCorrelationId } from './plugins/correlation-id.ts'
import { createCors } from './plugins/cors.ts'
import { createJwt } from './plugins/jwt.ts'
import { createPreFunction, createRequestCounter } from './plugins/pre-function.ts'
import { createPrometheus } from './plugins/prometheus.ts'
import { createRateLimiting } from './plugins/rate-limiting.ts'
import { createRequestSizeLimiting } from './plugins/request-size-limiting.ts'
import { createRequestTermination } from './plugins/request-termination.ts'
import { createRequestTransformer } from './plugins/request-transformer.ts'
import type { Match } from './router.ts'

/** Priorities as in Kong 3.9; higher runs earlier. */
const KNOWN: Record<string, { priority: number; create: CreatePlugin }> = {
  'pre-function': { priority: 1_000_000, create: createPreFunction },
  'correlation-id': { priority: 100_001, create: createCorrelationId },
  cors: { priority: 2_000, create: createCors },
  jwt: { priority: 1_450, create: createJwt },
  'request-size-limiting': { priority: 951, create: createRequestSizeLimiting },
  'rate-limiting': { priority: 910, create: createRateLimiting },
  'request-transformer': { priority: 801, create: createRequestTransformer },
  prometheus: { priority: 13, create: createPrometheus },
  'request-termination': { priority: 2, create: createRequestTermination },
}

const REMEMBERED_TOKENS = 10_000

/**
 * Makes the plugins of every match: the global ones, of which there is one instance each, and those of its route,
 * which replace a global one of the same name.
 *
 * @throws TypeError where a plugin, or a setting of one, is not known
 */
export function createChains(config: KongConfig, matches: readonly Match[]): Map<Match, Plugin[]> {
  const context: PluginContext = {
    consumers: config.consumers,
    checkedTokens: new LRUCache({ max: REMEMBERED_TOKENS }),
    countRequest: createRequestCounter(),
  }
  const shared = config.plugins.map((plugin) => toLink(plugin, context))
  return new Map(
    matches.map((match) => {
      const own = (match.route.plugins ?? []).map((plugin) => toLink(plugin, context))
      const names = new Set(own.map(({ name }) => name))
      const links = [...own, ...shared.filter(({ name }) => !names.has(name))]
      return [match, links.sort((a, b) => b.priority - a.priority).map(({ plugin }) => plugin)]
    }),
  )
}

interface Link {
  name: string
  priority: number
  plugin: Plugin
}

function toLink({ name, config }: KongPlugin, context: PluginContext): Link {
  const known = KNOWN[name]
  if (known === undefined) throw new TypeError(`Cannot start: the plugin "${name}" is not known here`)
  try {
    return { name, priority: known.priority, plugin: known.create(config, context) }
  } catch (cause) {
    throw new TypeError(`Cannot start: the plugin "${name}" is set in a way that is not known here`, {
      cause,
    })
  }
}
