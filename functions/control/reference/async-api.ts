/** The AsyncAPI 3.0 document: what subscribers receive and send, and which events functions consume. */
import { agenteseSubject, eventSubject } from '../../../shared/nats/subjects.ts'
import { isAspect, takesBody, type FunctionFacts } from '../../../shared/contract/facts.ts'
import { dataSchemaOf, type JsonSchema } from '../../../shared/contract/schemas.ts'
import { EventAttributes } from '../../../shared/events/attributes.ts'
import { PATH_EVENTS, STATE_EVENTS, type EventType } from '../../../shared/events/event-types.ts'
import { VERSION } from '../../../shared/version.ts'
import { streamedName, STREAMS, type Stream } from './streams.ts'
import { systemEventsOf } from './system-events.ts'
import { placeSchema } from './place-schema.ts'
import { inputsOf, routesOf, type Route } from './routes.ts'

type Catalog = readonly FunctionFacts[]
type Parts = Record<string, unknown>

export function createAsyncApi(catalog: Catalog): Parts {
  const routes = routesOf(catalog)
  const paths = routes.filter(({ endpoint }) => isAspect(endpoint))
  const heard = routes.filter(({ hub, endpoint }) => hub && endpoint.format !== 'events')
  const system = systemEventsOf(catalog)
  const events = { ...PATH_EVENTS, ...STATE_EVENTS, ...system }
  const streamed = STREAMS.flatMap(messagesOf)
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'kgents',
      version: VERSION,
      description:
        'Events of the platform, from its point of view: it sends what subscribers get. `/openapi.json` describes the calls.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: SERVERS,
    channels: {
      ...Object.fromEntries(paths.map(pathChannel)),
      state: STATE,
      ...Object.fromEntries(Object.entries(system).map(systemChannel)),
      ...Object.fromEntries(STREAMS.map(streamChannel)),
      ...Object.fromEntries(heard.map(heardChannel)),
    },
    operations: {
      ...Object.fromEntries(
        paths.map((route) => sends(keyOf(route), `Progress and outcome of ${route.endpoint.name}`)),
      ),
      ...Object.fromEntries(
        Object.entries(system).map(([type, { summary }]) => sends(shortName(type), summary)),
      ),
      ...Object.fromEntries([sends('state', 'New state of nodes')]),
      ...Object.fromEntries(catalog.flatMap(takes)),
      ...Object.fromEntries(STREAMS.map(tellsStream)),
      ...Object.fromEntries(heard.map(takesFromSubscriber)),
    },
    components: {
      messages: {
        ...Object.fromEntries(Object.entries(events).map(eventMessage)),
        ...Object.fromEntries(streamed.map(streamMessage)),
        ...Object.fromEntries(heard.filter(hasBody).map(heardMessage)),
      },
      messageTraits: { cloudEvent: CLOUD_EVENT },
      schemas: {
        ...Object.fromEntries(Object.entries(events).map(([type, event]) => schema(shortName(type), event))),
        ...Object.fromEntries(streamed.map(([, name, event]) => schema(name, event))),
        ...Object.fromEntries(heard.filter(hasBody).map(heardSchema)),
        CloudEvent: cloudEvent(),
      },
    },
  }
}

const SERVERS = {
  gateway: {
    host: '{host}',
    protocol: 'https',
    description: 'What tenants reach: server-sent events',
    variables: { host: { default: 'localhost:8000' } },
  },
  jetstream: {
    host: 'nats.kgents.svc.cluster.local:4222',
    protocol: 'nats',
    description:
      'What parts of the platform reach: events in the binary mode of CloudEvents, kept for seven days',
  },
}

const TENANT = { tenant: { description: 'The tenant, a UUID' } }

function pathChannel(route: Route): [string, Parts] {
  const path = route.url.replace('/v1/agentese/', '').replaceAll('/', '.')
  const { summary, name } = route.endpoint
  const messages = Object.keys(PATH_EVENTS).map(shortName)
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => [parameter, {}])
  return [
    keyOf(route),
    {
      ...channel(agenteseSubject('{tenant}', path), summary, 'jetstream', messages),
      title: name,
      parameters: { ...TENANT, ...Object.fromEntries(named) },
    },
  ]
}

/** Changes go by what has changed, not by the path that did it. */
const STATE: Parts = {
  ...channel(
    agenteseSubject('{tenant}', '{context}.{holon}.state'),
    'What nodes are from now on',
    'jetstream',
    Object.keys(STATE_EVENTS).map(shortName),
  ),
  title: 'state',
  parameters: { ...TENANT, context: {}, holon: {} },
}

function systemChannel([type, { summary }]: [string, EventType]): [string, Parts] {
  const name = shortName(type)
  return [
    name,
    { ...channel(eventSubject('{tenant}', type), summary, 'jetstream', [name]), parameters: TENANT },
  ]
}

function channel(
  address: string,
  summary: string,
  server: keyof typeof SERVERS,
  messages: readonly string[],
): Parts {
  return {
    address,
    summary,
    servers: [{ $ref: `#/servers/${server}` }],
    messages: Object.fromEntries(messages.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
  }
}

function sends(name: string, summary: string): [string, Parts] {
  return [`send.${name}`, { action: 'send', channel: { $ref: `#/channels/${name}` }, summary }]
}

/** Events about paths come from many channels, so that no operation can name theirs. */
function takes({ name: taker, triggers }: FunctionFacts): [string, Parts][] {
  return triggers.flatMap(({ name, attributes: { type = '', ...others } }) => {
    if (type === '' || type in PATH_EVENTS) return []
    const only = Object.entries(others).map(([attribute, value]) => ` where ${attribute} is "${value}"`)
    const channel = { $ref: `#/channels/${type in STATE_EVENTS ? 'state' : shortName(type)}` }
    const summary = `The function ${taker} takes it${only.join('')}`
    return [[`take.${taker}.${name}`, { action: 'receive', channel, summary }] as [string, Parts]]
  })
}

function eventMessage([type, { summary }]: [string, EventType]): [string, Parts] {
  const name = shortName(type)
  return [
    name,
    {
      name: type,
      summary,
      contentType: 'application/json',
      headers: { type: 'object', properties: { 'ce-type': { const: type } } },
      payload: { $ref: `#/components/schemas/${name}` },
      traits: [{ $ref: '#/components/messageTraits/cloudEvent' }],
    },
  ]
}

/** The events of a stream: as it names them, as the document does, and what they are. */
function messagesOf(stream: Stream): (readonly [event: string, name: string, type: EventType])[] {
  return stream.events.map(([event, type]) => [event, streamedName(stream, event), type])
}

function streamChannel(stream: Stream): [string, Parts] {
  const names = messagesOf(stream).map(([, name]) => name)
  return [stream.name, urlChannel(stream.url, stream.title, names)]
}

function urlChannel(url: string, summary: string, messages: readonly string[]): Parts {
  const named = [...url.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => [parameter, {}])
  const parameters = named.length === 0 ? {} : { parameters: Object.fromEntries(named) }
  return { ...channel(url, summary, 'gateway', messages), ...parameters }
}

function tellsStream({ name, title }: Stream): [string, Parts] {
  const [key, operation] = sends(name, title)
  return [key, { ...operation, bindings: httpBinding('GET') }]
}

function httpBinding(method: string): Parts {
  return { http: { method, bindingVersion: '0.3.0' } }
}

/** What subscribers send to the hub: acknowledgements, and the end of a subscription. */
function heardChannel(route: Route): [string, Parts] {
  const { endpoint, url } = route
  return [keyOf(route), urlChannel(url, endpoint.summary, hasBody(route) ? [keyOf(route)] : [])]
}

function takesFromSubscriber(route: Route): [string, Parts] {
  const { method, summary } = route.endpoint
  const channel = { $ref: `#/channels/${keyOf(route)}` }
  return [`take.${keyOf(route)}`, { action: 'receive', channel, summary, bindings: httpBinding(method) }]
}

function hasBody({ endpoint }: Route): boolean {
  return takesBody(endpoint)
}

function heardMessage(route: Route): [string, Parts] {
  const { name, summary } = route.endpoint
  const payload = { $ref: `#/components/schemas/${keyOf(route)}` }
  return [keyOf(route), { name, summary, contentType: 'application/json', payload }]
}

function heardSchema(route: Route): [string, JsonSchema] {
  return [
    keyOf(route),
    placeSchema(inputsOf(route.endpoint).body ?? {}, `#/components/schemas/${keyOf(route)}`),
  ]
}

function streamMessage([event, name, { summary }]: readonly [string, string, EventType]): [string, Parts] {
  const payload = { $ref: `#/components/schemas/${name}` }
  return [name, { name: event, summary, contentType: 'application/json', payload }]
}

function schema(name: string, event: EventType): [string, JsonSchema] {
  return [name, placeSchema(dataSchemaOf(event), `#/components/schemas/${name}`)]
}

/** Attributes as headers, as NATS and HTTP carry them in binary mode. */
const CLOUD_EVENT = {
  headers: {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(attributes().properties).map(([name, attribute]) => [headerOf(name), attribute]),
    ),
    required: attributes().required.map(headerOf),
  },
}

/** An event in one piece, as JSON. */
function cloudEvent(): JsonSchema {
  const { properties, required } = attributes()
  return { type: 'object', properties: { ...properties, data: {} }, required: [...required, 'data'] }
}

function attributes() {
  return dataSchemaOf({ data: EventAttributes }) as {
    properties: Record<string, JsonSchema>
    required: string[]
  }
}

function headerOf(attribute: string): string {
  return attribute === 'datacontenttype' ? 'content-type' : `ce-${attribute}`
}

function shortName(type: string): string {
  return type.replace(/^io\.kgents\./, '')
}

function keyOf({ endpoint }: Route): string {
  return endpoint.name.replaceAll(/[^\w.-]/g, '_')
}
