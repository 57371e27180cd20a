/** OpenMeter and Lago as far as they take events: in the shapes that they publish, and each event once. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { z } from 'zod'

export const KEY = 'a key of the service'

const CloudEvent = z.strictObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  subject: z.string().min(1),
  time: z.iso.datetime(),
  data: z.looseObject({ quantity: z.number() }),
})
const LagoEvent = z.strictObject({
  transaction_id: z.string().min(1),
  external_subscription_id: z.string().min(1),
  code: z.string().min(1),
  timestamp: z.int(),
  properties: z.looseObject({ quantity: z.number() }),
})

export interface Taken {
  id: string
  meter: string
  quantity: number
}

export interface FakeService {
  url: string
  /** What it has, each once. */
  taken: Map<string, Taken>
  requests: number
  /** What it does instead of taking events. */
  instead: 'nothing' | 'unavailable' | 'silent' | 'unauthorized' | 'closes after taking'
  /** A meter that it does not take. */
  refused: string | undefined
  close(): void
}

type Answer = (
  service: FakeService,
  request: IncomingMessage,
  body: string,
) => [status: number, body: unknown]

export const openOpenMeter = () => open('/api/v1/events', takeCloudEvents)
export const openLago = () => open('/api/v1/events/batch', takeLagoEvents)

/** One that is at fault fails the request, and the answer does not say which. */
const takeCloudEvents: Answer = (service, request, body) => {
  if (request.headers['content-type'] !== 'application/cloudevents-batch+json') return [400, {}]
  const events = z.array(CloudEvent).max(100).safeParse(JSON.parse(body))
  if (!events.success) return [400, { detail: z.prettifyError(events.error) }]
  const found = events.data.map(({ id, type, data: { quantity } }) => ({
    id,
    meter: type.replace('io.kgents.usage.', ''),
    quantity,
  }))
  if (found.some(({ meter }) => meter === service.refused)) return [400, { detail: 'validation error' }]
  for (const each of found) service.taken.set(each.id, each)
  return [204, undefined]
}

/** A request is taken whole or not at all; what it has already is at fault, too. */
const takeLagoEvents: Answer = (service, _request, body) => {
  const { events } = z.strictObject({ events: z.array(LagoEvent).max(100) }).parse(JSON.parse(body))
  const faults = events.flatMap(({ transaction_id, code }, place): [string, object][] => {
    if (service.taken.has(transaction_id))
      return [[String(place), { transaction_id: ['value_already_exist'] }]]
    return code === service.refused ? [[String(place), { code: ['metric_not_found'] }]] : []
  })
  if (faults.length > 0)
    return [422, { status: 422, code: 'validation_errors', error_details: Object.fromEntries(faults) }]
  for (const { transaction_id: id, code: meter, properties } of events)
    service.taken.set(id, { id, meter, quantity: properties.quantity })
  return [200, { events: [] }]
}

async function open(path: string, answer: Answer): Promise<FakeService> {
  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const service: FakeService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken: new Map(),
    requests: 0,
    instead: 'nothing',
    refused: undefined,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  async function serve(request: IncomingMessage, response: ServerResponse) {
    service.requests += 1
    const body = await text(request)
    const say = (status: number, said?: unknown, headers = {}) =>
      response.writeHead(status, headers).end(said === undefined ? undefined : JSON.stringify(said))
    if (service.instead === 'silent') return
    if (service.instead === 'unavailable') say(503, undefined, { 'retry-after': '7' })
    else if (request.headers.authorization !== `Bearer ${KEY}` || service.instead === 'unauthorized') say(401)
    else if (request.method !== 'POST' || request.url !== path) say(404)
    else {
      const [status, said] = answer(service, request, body)
      if (service.instead === 'closes after taking') request.socket.destroy()
      else say(status, said)
    }
  }
  return service
}
