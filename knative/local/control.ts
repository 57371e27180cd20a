/** What the stand-in answers about itself, at its own address and as `activator.<namespace>`. */
import { Failure } from '../../shared/failures.ts'
import { answerFailure, answerJson } from './answer.ts'
import type { Handler } from './serving/activator.ts'
import type { Endpoints } from './serving/endpoints.ts'

export interface ControlOptions {
  status: () => unknown
  endpoints: Endpoints
  /** The Broker can be reached here too, by senders that know an address and no cluster name. */
  broker: { path: string; ingress: Handler }
}

export const CONTROL_NAME = 'activator'

export function createControl({ status, endpoints, broker }: ControlOptions): Handler {
  const routes = new Map<string, Handler>([
    ['GET /status', (_request, response) => answerJson(response, status())],
    ['GET /endpoints', endpoints.stream],
    ['POST /concurrency', endpoints.takeConcurrency],
    [`POST ${broker.path}`, broker.ingress],
  ])
  return (request, response) => {
    const route = `${request.method} ${request.url}`
    const handle = routes.get(route)
    if (handle !== undefined) return handle(request, response)
    const failure = new Failure('ROUTE_NOT_FOUND', `Cannot find ${route}`, { available: [...routes.keys()] })
    answerFailure(request, response, failure)
  }
}
