/** One route as an operation of OpenAPI. */
import { z } from 'zod'
import { CATEGORIES } from '../../../shared/agentese/category.ts'
import { scopesOf } from '../../../shared/agentese/effects.ts'
import {
  acts,
  startsJobs,
  takesBody,
  type AspectFacts,
  type EndpointFacts,
} from '../../../shared/contract/facts.ts'
import type { JsonSchema } from '../../../shared/contract/schemas.ts'
import { RequiredAttributes } from '../../../shared/events/tenant-event.ts'
import { costOf } from './cost.ts'
import { failingStatuses } from './failures.ts'
import { headersOf, RATE_LIMIT } from './headers.ts'
import { placeSchema } from './place-schema.ts'
import { STREAMS } from './streams.ts'
import { inputsOf, placeExample, type Member, type Route } from './routes.ts'

export function operationOf(route: Route): Record<string, unknown> {
  const { endpoint, id, tag } = route
  const { aspect, scopes } = endpoint
  return {
    operationId: id,
    summary: endpoint.summary,
    ...describe(route),
    tags: [tag],
    ...securityOf(endpoint),
    parameters: parametersOf(route),
    ...requestBodyOf(route),
    responses: responsesOf(route),
    ...(aspect !== undefined || scopes.length === 0 ? {} : { 'x-scopes': scopes }),
    ...(aspect === undefined ? {} : { 'x-agentese': { path: aspect.path, ...factsOf(endpoint, aspect) } }),
  }
}

export function reference(kind: string, name: string): { $ref: string } {
  return { $ref: `#/components/${kind}/${name}` }
}

/** Name of a component with a schema of the route. */
export function schemaName({ id }: Route, side: 'Input' | 'Output'): string {
  return `${id.charAt(0).toUpperCase()}${id.slice(1)}${side}`
}

function describe({ endpoint, url }: Route): { description?: string } {
  const { aspect, format } = endpoint
  if (aspect !== undefined) return { description: describeAspect(endpoint, aspect) }
  if (format !== 'events') return {}
  const events = STREAMS.find((stream) => stream.url === url)?.events ?? []
  return { description: events.map(([name, { summary }]) => `- \`${name}\`: ${summary}`).join('\n') }
}

function describeAspect({ streams }: EndpointFacts, { path, category, effects }: AspectFacts): string {
  return [
    `\`${path}\`: ${CATEGORIES[category].name}.`,
    ...(effects.length === 0 ? [] : [`Effects: ${effects.map((effect) => `\`${effect}\``).join(', ')}.`]),
    ...(streams ? ['A model answers: the work goes on as a job.'] : []),
  ].join(' ')
}

function factsOf(endpoint: EndpointFacts, { category, effects, archetypes }: AspectFacts) {
  const { permission } = endpoint
  return {
    category,
    effects,
    archetypes,
    permission: permission ?? null,
    scopes: scopesOf(effects),
    cost: costOf(endpoint) ?? {},
  }
}

function securityOf({ auth, permission }: EndpointFacts) {
  if (auth === 'none') return { security: [] }
  const key = { apiKey: [] }
  const roles = permission === undefined ? [] : [permission]
  if (auth === 'api-key') return { security: [key] }
  if (auth === 'optional-api-key') return { security: [key, {}] }
  if (auth === 'invitation') return { security: [{ invitationToken: [] }] }
  const any = [{ bearerToken: roles }, key, { session: [] }]
  return { security: auth === 'optional' ? [...any, {}] : any }
}

function parametersOf(route: Route) {
  const { endpoint } = route
  const { path, query } = inputsOf(endpoint)
  const at = `#/components/schemas/${schemaName(route, 'Input')}`
  const toParameter = (place: string) => (member: Member) => ({
    name: member.name,
    in: place,
    required: member.required,
    schema: placeSchema(member.schema, at),
  })
  return [
    ...path.map(toParameter('path')),
    ...query.map(toParameter('query')),
    ...headersAskedBy(endpoint).map((key) => reference('parameters', key)),
  ]
}

function headersAskedBy(endpoint: EndpointFacts): string[] {
  const keys: [key: string, applies: boolean][] = [
    ['IdempotencyKey', endpoint.writes || (acts(endpoint) && endpoint.aspect === undefined)],
    ['Priority', startsJobs(endpoint)],
    ['Deadline', startsJobs(endpoint)],
    ['ObserverArchetype', acts(endpoint) || endpoint.streams],
    ['DryRun', endpoint.aspect !== undefined && takesBody(endpoint)],
    ['Prefer', startsJobs(endpoint)],
    ['LastEventId', endpoint.streams || endpoint.format === 'events'],
    ['IfNoneMatch', endpoint.maxAgeSeconds !== undefined],
    ['Traceparent', true],
  ]
  return keys.filter(([, applies]) => applies).map(([key]) => key)
}

function requestBodyOf(route: Route) {
  const { endpoint } = route
  const { body } = inputsOf(endpoint)
  if (body === undefined) return {}
  // As its sender signed it, or as another protocol has it.
  if (endpoint.body === 'signed' || endpoint.body === 'json-rpc')
    return { requestBody: { required: true, content: { 'application/json': { schema: {} } } } }
  const examples = endpoint.examples.map((example) => [
    toKey(example.summary),
    { summary: example.summary, value: placeExample(endpoint, example).rest },
  ])
  const content = {
    schema: reference('schemas', schemaName(route, 'Input')),
    ...(examples.length === 0 ? {} : { examples: Object.fromEntries(examples) }),
  }
  if (endpoint.body === 'cloudevents')
    return { requestBody: { required: true, content: eventContent(endpoint) } }
  const required = ['required', 'anyOf', 'oneOf', 'minProperties'].some((name) => name in body)
  const form = endpoint.body === 'form' ? { 'application/x-www-form-urlencoded': content } : {}
  return { requestBody: { required, content: { 'application/json': content, ...form } } }
}

const { $schema: _, ...REQUIRED } = z.toJSONSchema(RequiredAttributes, { io: 'input' })
const EVENT = { ...REQUIRED, propertyNames: { pattern: '^([a-z0-9]+|data_base64)$' } }

/** The forms in which HTTP carries CloudEvents; with attributes in `ce-` headers, the body is the data alone. */
function eventContent({ examples }: EndpointFacts) {
  const shown = examples.map(({ summary, input }) => {
    const { events: [value] = [] } = input as { events?: unknown[] }
    return [toKey(summary), { summary, value }]
  })
  return {
    'application/cloudevents+json': { schema: EVENT, examples: Object.fromEntries(shown) },
    'application/cloudevents-batch+json': {
      schema: { type: 'array', items: EVENT, maxItems: 100 },
    },
    'application/json': { schema: {} },
  }
}

function toKey(summary: string): string {
  return summary
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
}

function responsesOf(route: Route): Record<string, unknown> {
  const { endpoint } = route
  const failing = failingStatuses(route).map((status) => [status, reference('responses', `Problem${status}`)])
  const good = (endpoint.statuses ?? [200]).map((status) => [status, answerOf(route, status)])
  return {
    ...Object.fromEntries(failing),
    ...Object.fromEntries(good),
    ...(endpoint.maxAgeSeconds === undefined ? {} : { 304: { description: 'You have it already' } }),
    ...(acts(endpoint) || endpoint.format === 'events' ? { 204: SEEN } : {}),
    ...(startsJobs(endpoint) ? { 202: ACCEPTED } : {}),
    default: reference('responses', 'Problem'),
  }
}

const TYPES: Record<EndpointFacts['format'], string> = {
  json: 'application/json',
  text: 'text/plain',
  html: 'text/html',
  ndjson: 'application/x-ndjson',
  pdf: 'application/pdf',
  javascript: 'text/javascript',
  css: 'text/css',
  events: 'text/event-stream',
}

function answerOf(route: Route, status: number) {
  const { endpoint, hub } = route
  const headers = [
    ...(hub ? [] : ['Traceparent']),
    ...(hub || endpoint.auth === 'none' ? [] : RATE_LIMIT),
    ...(endpoint.writes ? ['IdempotencyReplayed'] : []),
    ...(endpoint.maxAgeSeconds === undefined ? [] : ['ETag', 'CacheControl']),
    ...(startsJobs(endpoint) ? ['PreferenceApplied'] : []),
  ]
  const content = { [TYPES[endpoint.format]]: { schema: answerSchema(route) } }
  const problem = { 'application/problem+json': { schema: reference('schemas', 'Problem') } }
  const stream = { 'text/event-stream': { schema: { type: 'string' } } }
  return {
    description: status >= 400 ? `${endpoint.summary}; or a failure` : endpoint.summary,
    headers: headersOf(...headers),
    content: {
      ...content,
      ...(status >= 400 ? problem : {}),
      ...(endpoint.streams || acts(endpoint) ? stream : {}),
    },
  }
}

/** An aspect's output in its envelope; where a job was waited for, in the one that the stream hub writes. */
function answerSchema(route: Route): JsonSchema {
  const { endpoint } = route
  const output = reference('schemas', schemaName(route, 'Output'))
  if (endpoint.aspect === undefined) return output
  const path = pathSchema(endpoint.aspect)
  if (endpoint.route !== undefined) return routeSchema(endpoint, output, path)
  const envelope = {
    type: 'object',
    properties: {
      path,
      result: output,
      meta: reference('schemas', 'EnvelopeMeta'),
    },
    required: ['path', 'result', 'meta'],
    additionalProperties: false,
  }
  const answers = [envelope, reference('schemas', 'Rehearsal')]
  if (!endpoint.streams) return { anyOf: answers }
  const narrowed = { type: 'object', properties: { path, result: output } }
  return { anyOf: [...answers, { allOf: [reference('schemas', 'FinishedJob'), narrowed] }] }
}

/** The result alone; but a job that was waited for, and a dry run, are answered as everywhere. */
function routeSchema(endpoint: EndpointFacts, output: JsonSchema, path: JsonSchema): JsonSchema {
  if (!takesBody(endpoint)) return output
  const rehearsal = reference('schemas', 'Rehearsal')
  if (!endpoint.streams) return { anyOf: [output, rehearsal] }
  const narrowed = { type: 'object', properties: { path, result: output } }
  return { anyOf: [output, rehearsal, { allOf: [reference('schemas', 'FinishedJob'), narrowed] }] }
}

/** `world.*.manifest` answers by the holon that was called. */
function pathSchema({ path }: AspectFacts): JsonSchema {
  return path.includes('*')
    ? { type: 'string', pattern: `^${path.replaceAll('.', String.raw`\.`).replace('*', '[a-z][a-z0-9_]*')}$` }
    : { const: path }
}

const SEEN = { description: 'You have the last event, whose id you sent: nothing is done again' }

const ACCEPTED = {
  description:
    'The work goes on as a job. With `Accept: text/event-stream` its progress is streamed here, and with `Prefer: wait=N` its result is awaited: then the answer is 200',
  headers: headersOf('Traceparent', 'Location', ...RATE_LIMIT, 'IdempotencyReplayed'),
  content: { 'application/json': { schema: reference('schemas', 'AcceptedJob') } },
}
