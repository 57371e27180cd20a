/**
 * Routes that the stream hub answers itself, in the form that functions' own have; they are shown beside those. That of
 * jobs, which is nothing but a stream, is described apart.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../../shared/contract/define-operation.ts'
import type { EndpointFacts } from '../../../shared/contract/facts.ts'
import { Acknowledged, Acks, Ended, SUBSCRIPTION_SCOPES } from '../../../shared/events/subscription-stream.ts'

const SubscriptionId = z.strictObject({ id: z.uuid().toLowerCase() })

const subscribe = defineOperation({
  name: 'subscribe',
  summary: 'At-least-once subscriptions',
  routes: {
    ack: route({
      route: 'POST /v1/agentese/subscribe/:id/ack',
      summary:
        'Acknowledge events of an at-least-once subscription, each by its "ack"; others are told again',
      permission: 'agentese:read',
      scopes: SUBSCRIPTION_SCOPES,
      input: SubscriptionId.extend(Acks.shape),
      output: Acknowledged,
      examples: [
        {
          summary: 'An event has been dealt with',
          input: { id: '019a0000-0000-7000-8000-000000000000', acks: ['1.42.7.1767225600000000000.0'] },
        },
      ],
      handle: servedByHub,
    }),

    end: route({
      route: 'DELETE /v1/agentese/subscribe/:id',
      summary: 'End an at-least-once subscription of your own; one that nobody reads ends after an hour',
      permission: 'agentese:read',
      scopes: SUBSCRIPTION_SCOPES,
      input: SubscriptionId,
      output: Ended,
      handle: servedByHub,
    }),
  },
})

/** What the hub answers itself at addresses that otherwise belong to the function `name`. */
export function hubEndpointsOf(name: string): readonly EndpointFacts[] {
  return name === subscribe.name ? subscribe.endpoints : []
}

function servedByHub(): never {
  throw new TypeError('Cannot answer: the stream hub serves this route')
}
