/** The routes of a catalog, as the documents name and group them. */
import { CONTEXTS, SEGMENT_SCHEMA } from '../../../shared/agentese/path.ts'
import {
  takesBody,
  takesParameters,
  type EndpointFacts,
  type Example,
  type FunctionFacts,
} from '../../../shared/contract/facts.ts'
import { inputSchemaOf, type JsonSchema } from '../../../shared/contract/schemas.ts'
import { components } from '../../components.ts'

export interface Route {
  definition: FunctionFacts
  endpoint: EndpointFacts
  /** `voidEntropySip`: unique, and a good name for a method of a client. */
  id: string
  /** Context of an aspect; operations are apart. */
  group: string
  /** The node or function that it belongs to. */
  tag: string
  /** URL path with its parameters in braces. */
  url: string
  /** Whether the stream hub answers it, which knows less than functions do of what all of them have in common. */
  hub: boolean
}

/** What a request is made of: members of the input by where they are sent. */
export interface Inputs {
  path: Member[]
  query: Member[]
  /** Of POST: the input without what the path gives already. */
  body: JsonSchema | undefined
}

export interface Member {
  name: string
  required: boolean
  schema: JsonSchema
}

const OPERATIONS = 'operations'

export function routesOf(catalog: readonly FunctionFacts[]): Route[] {
  return catalog.flatMap((definition) => [
    ...definition.endpoints.map((endpoint) => toRoute(definition, endpoint, false)),
    ...PART_ENDPOINTS.filter(({ name }) => name.startsWith(`${definition.name}.`)).map((endpoint) =>
      toRoute(definition, endpoint, true),
    ),
  ])
}

/** What parts answer themselves at addresses that otherwise belong to a function; shown beside its own. */
const PART_ENDPOINTS = components.flatMap(({ endpoints }) => endpoints)

function toRoute(definition: FunctionFacts, endpoint: EndpointFacts, hub: boolean): Route {
  return {
    definition,
    endpoint,
    id: toCamelCase(endpoint.name),
    group: endpoint.aspect?.path.split('.')[0] ?? OPERATIONS,
    tag: definition.node ?? definition.name,
    url: endpoint.path.replaceAll(/:(\w+)/g, '{$1}'),
    hub,
  }
}

/** Routes by group: the contexts in their order, then operations. */
export function groupsOf(routes: readonly Route[]): [group: string, routes: Route[]][] {
  return [...CONTEXTS, OPERATIONS].flatMap((group) => {
    const members = routes.filter((route) => route.group === group)
    return members.length === 0 ? [] : [[group, members] as [string, Route[]]]
  })
}

export function inputsOf(endpoint: EndpointFacts): Inputs {
  const schema = inputSchemaOf(endpoint)
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>
  const required = (schema['required'] ?? []) as readonly string[]
  const inPath = namesInPath(endpoint.path)
  const taken = takesParameters(endpoint) ? inPath : []
  const elsewhere = Object.keys(properties).filter((name) => !taken.includes(name))
  const member = (name: string) => ({
    name,
    required: required.includes(name),
    schema: properties[name] ?? { type: 'string' },
  })
  return {
    path: inPath.map((name) => ({
      ...(taken.includes(name) ? member(name) : segment(name)),
      required: true,
    })),
    query: takesBody(endpoint) ? [] : elsewhere.map(member),
    body: takesBody(endpoint) ? without(schema, properties, required, taken) : undefined,
  }
}

/** An example's input, by where its members are sent. */
export function placeExample(endpoint: EndpointFacts, { input, holon }: Example) {
  const { path } = endpoint
  if (!takesParameters(endpoint)) return { path: holon === undefined ? {} : { holon }, rest: input }
  const inPath = namesInPath(path)
  const entries = Object.entries(input)
  return {
    path: Object.fromEntries(entries.filter(([name]) => inPath.includes(name))),
    rest: Object.fromEntries(entries.filter(([name]) => !inPath.includes(name))),
  }
}

/** The holon of an aspect's path: it names what is called and is no input. */
function segment(name: string) {
  return { name, schema: { type: 'string', ...SEGMENT_SCHEMA } }
}

function namesInPath(path: string): string[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
}

function without(
  schema: JsonSchema,
  properties: Record<string, JsonSchema>,
  required: readonly string[],
  names: readonly string[],
): JsonSchema {
  if (names.length === 0) return schema
  const rest = Object.entries(properties).filter(([name]) => !names.includes(name))
  const { required: _, ...others } = schema
  const left = required.filter((name) => !names.includes(name))
  return {
    ...others,
    properties: Object.fromEntries(rest),
    ...(left.length === 0 ? {} : { required: left }),
  }
}

function toCamelCase(name: string): string {
  return name.replaceAll(/[^a-z0-9]+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase())
}
