/** The OpenAPI 3.1 document: every route of the catalog, and those that parts answer themselves. */
import { z } from 'zod'
import { AcceptedJob, EnvelopeMeta, FinishedJob, Rehearsal } from '../../../shared/contract/answers.ts'
import type { FunctionFacts } from '../../../shared/contract/facts.ts'
import { inputSchemaOf, outputSchemaOf, type JsonSchema } from '../../../shared/contract/schemas.ts'
import { listFailures } from '../../../shared/failures.ts'
import { Problem } from '../../../shared/problem.ts'
import { VERSION } from '../../../shared/version.ts'
import { HEADERS, headersOf, PARAMETERS } from './headers.ts'
import { failuresByStatus, type FailureRow } from './failures.ts'
import { operationOf, reference, schemaName } from './operation.ts'
import { placeSchema } from './place-schema.ts'
import { groupsOf, inputsOf, routesOf, type Route } from './routes.ts'

export function createOpenApi(catalog: readonly FunctionFacts[]): Record<string, unknown> {
  const routes = routesOf(catalog)
  return {
    openapi: '3.1.1',
    info: {
      title: 'kgents',
      version: VERSION,
      summary: 'AGENTESE paths and control operations of the platform',
      description:
        'Outcomes are published as events, which `/asyncapi.json` describes. `/docs` is for reading.',
      license: { name: 'Apache License 2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/', description: 'Where this document is' }],
    tags: tagsOf(routes),
    'x-tagGroups': tagGroupsOf(routes),
    paths: pathsOf(routes),
    components: {
      securitySchemes: {
        bearerToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: BEARER },
        invitationToken: { type: 'http', scheme: 'bearer', description: INVITATION },
        session: { type: 'apiKey', in: 'cookie', name: 'kgents_session', description: SESSION },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'Works in place of a token' },
      },
      schemas: { ...sharedSchemas(), ...Object.fromEntries(routes.flatMap(schemasOf)) },
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: {
        Problem: { description: 'Another failure', content: problem(reference('schemas', 'Problem')) },
        ...Object.fromEntries([...failuresByStatus()].map(problemResponse)),
      },
    },
  }
}

const INVITATION =
  'The token of an invitation, as its sender was shown it: good for accepting it and nothing else'
const SESSION =
  'Of a browser, from `POST /v1/auth/session`; what may change anything takes its CSRF token as `X-CSRF-Token`. By https the name begins with `__Host-`'
const BEARER = 'A token of some minutes, from `POST /v1/auth/token`; the tenant is read from it'

function tagsOf(routes: readonly Route[]) {
  const summaries = new Map(routes.map(({ tag, definition }) => [tag, definition.summary]))
  return [...summaries].map(([name, description]) => ({ name, description }))
}

function tagGroupsOf(routes: readonly Route[]) {
  return groupsOf(routes).map(([name, members]) => ({
    name,
    tags: [...new Set(members.map(({ tag }) => tag))],
  }))
}

function pathsOf(routes: readonly Route[]): Record<string, Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    paths[route.url] = { ...paths[route.url], [route.endpoint.method.toLowerCase()]: operationOf(route) }
  }
  return paths
}

function sharedSchemas(): Record<string, JsonSchema> {
  const types = { EnvelopeMeta, Rehearsal, AcceptedJob, FinishedJob, Problem }
  const schemas = Object.entries(types).map(
    ([name, type]) => [name, placeSchema(z.toJSONSchema(type), pointerTo(name))] as const,
  )
  const all = Object.fromEntries(schemas)
  return { ...all, Problem: { ...all['Problem'], 'x-failures': listFailures() } }
}

/** The input of a GET is in its parameters; it is here only where they refer to parts of it. */
function schemasOf(route: Route): [name: string, schema: JsonSchema][] {
  const { endpoint } = route
  const { body } = inputsOf(endpoint)
  const input = inputSchemaOf(endpoint)
  const schemas: [string, JsonSchema][] = [[schemaName(route, 'Output'), outputSchemaOf(endpoint)]]
  const isOwn = endpoint.body !== 'cloudevents' && body !== undefined
  if (isOwn || '$defs' in input) schemas.push([schemaName(route, 'Input'), body ?? input])
  return schemas.map(([name, schema]) => [name, placeSchema(schema, pointerTo(name))])
}

function pointerTo(name: string): string {
  return `#/components/schemas/${name}`
}

function problemResponse([status, rows]: [number, FailureRow[]]): [string, unknown] {
  const codes = rows.map(({ code }) => code)
  const narrowed = { type: 'object', properties: { status: { const: status }, code: { enum: codes } } }
  return [
    `Problem${status}`,
    {
      description: `${[...new Set(rows.map(({ category }) => category))].join(', ')}: ${codes.join(', ')}`,
      headers: headersOf(
        'Traceparent',
        ...(rows.some(({ retry }) => retry) ? ['RetryAfter'] : []),
        ...(status === 401 ? ['WWWAuthenticate'] : []),
      ),
      content: problem({ allOf: [reference('schemas', 'Problem'), narrowed] }),
    },
  ]
}

function problem(schema: JsonSchema) {
  return { 'application/problem+json': { schema } }
}
