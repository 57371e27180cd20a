/** How an endpoint can fail, as far as its contract shows. */
import { acts, startsJobs, takesBody, type EndpointFacts } from '../../../shared/contract/facts.ts'
import { listFailures } from '../../../shared/failures.ts'
import type { Route } from './routes.ts'

export type FailureRow = ReturnType<typeof listFailures>[number]

/** All failures, by HTTP status. */
export function failuresByStatus(): Map<number, FailureRow[]> {
  return Map.groupBy(
    listFailures().sort((a, b) => a.status - b.status),
    ({ status }) => status,
  )
}

/** Each status, and which endpoints can answer it. A status that is not here is part of no contract. */
const CAUSES: Record<number, (endpoint: EndpointFacts) => boolean> = {
  400: () => true,
  401: ({ auth }) => auth !== 'none',
  403: ({ auth }) => auth !== 'none',
  404: (endpoint) => acts(endpoint) || endpoint.path.includes('/:') || endpoint.errors === 'openai',
  409: (endpoint) => acts(endpoint) || endpoint.writes,
  412: (endpoint) => acts(endpoint) || endpoint.writes || endpoint.needs.includes('payments'),
  413: takesBody,
  414: () => true,
  415: takesBody,
  422: startsJobs,
  429: ({ auth }) => auth !== 'none',
  431: () => true,
  451: acts,
  500: () => true,
  502: asksOutside,
  503: () => true,
  504: () => true,
}

/** Statuses of the failures that a route can answer. */
export function failingStatuses({ endpoint, hub }: Pick<Route, 'endpoint' | 'hub'>): number[] {
  const statuses = [...failuresByStatus().keys()].filter((status) => CAUSES[status]?.(endpoint) ?? false)
  // The hub reads a body whatever type it claims.
  return hub ? statuses.filter((status) => status !== 415) : statuses
}

/** Whether its answer may be that of somebody outside the platform; an endpoint that passes calls on cannot know. */
function asksOutside({ aspect, ...endpoint }: EndpointFacts): boolean {
  if (aspect !== undefined) return aspect.effects.includes('calls:tool')
  const { needs } = endpoint
  // What is only read of payments is in our own rows.
  return (
    startsJobs(endpoint) || needs.includes('outside') || (needs.includes('payments') && takesBody(endpoint))
  )
}
