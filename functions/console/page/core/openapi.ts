/**
 * The operations of this installation, from its own `/openapi.json`: what each takes decides its form, its curl command and
 * whether its page has anything to show. Operations are named as contracts name them: `GET /v1/jobs/:id`.
 */
import { call, credential, type ApiRequest, type Json } from './api.ts'
import { textOf } from './format.ts'

/** A JSON Schema; only what a form or a table looks at. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  default?: unknown
  description?: string
  title?: string
  format?: string
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean | Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  $defs?: Record<string, Schema>
}

export interface Operation {
  method: string
  /** With `:name` for what its input joins. */
  path: string
  summary: string
  /** What a role must have, where the operation takes a credential. */
  permission?: string
  /** All of its input as one object: of the path, the query and the body. */
  input: Schema
  output: Schema
  example?: Json
}

interface Parameter {
  $ref?: string
  name: string
  in: string
  required?: boolean
  schema?: Schema
}

interface RawOperation {
  summary?: string
  parameters?: Parameter[]
  security?: Record<string, string[]>[]
  requestBody?: { content: Record<string, { schema: Schema; examples?: Record<string, { value: Json }> }> }
  responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>
}

interface Document {
  paths: Record<string, Record<string, RawOperation>>
  components: { schemas: Record<string, Schema> }
}

let document_: Document = { paths: {}, components: { schemas: {} } }
const known = new Map<string, Operation | undefined>()

/** Reads the document; all the rest of this module looks into it. */
export async function loadOperations(): Promise<void> {
  document_ = await call<Document>({ method: 'GET', path: '/openapi.json' })
  known.clear()
}

/** The operation of a name such as `POST /v1/api-keys`; undefined where this installation does not have it. */
export function operationOf(name: string): Operation | undefined {
  if (!known.has(name)) known.set(name, read(name))
  return known.get(name)
}

/** What a name of an operation says. */
function splitName(name: string): { method: string; path: string } {
  const [method = 'GET', path = ''] = name.split(' ')
  return { method, path }
}

function read(name: string): Operation | undefined {
  const { method, path } = splitName(name)
  const raw = document_.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
  if (raw === undefined) return undefined
  const body = raw.requestBody?.content['application/json']
  const permission = raw.security?.find((each) => each['bearerToken'] !== undefined)?.['bearerToken']?.[0]
  const example = Object.values(body?.examples ?? {})[0]?.value
  return {
    method,
    path,
    summary: raw.summary ?? '',
    ...(permission === undefined ? {} : { permission }),
    input: inputOf(raw.parameters ?? [], body?.schema),
    output: resolve(raw.responses?.['200']?.content?.['application/json']?.schema ?? {}),
    ...(example === undefined ? {} : { example }),
  }
}

/** Headers are no input: the page sends those that it needs itself. */
function inputOf(parameters: readonly Parameter[], body: Schema = {}): Schema {
  const named = parameters.filter((each) => each.$ref === undefined && each.in !== 'header')
  const whole = resolve(body)
  return {
    ...whole,
    type: 'object',
    properties: {
      ...Object.fromEntries(named.map(({ name, schema = {} }) => [name, schema])),
      ...whole.properties,
    },
    required: [
      ...named.filter(({ required }) => required === true).map(({ name }) => name),
      ...(whole.required ?? []),
    ],
  }
}

/** The schema that a reference leads to; its own members win. */
export function resolve(schema: Schema, root: Schema = {}): Schema {
  const { $ref, ...own } = schema
  if ($ref === undefined) return schema
  const target = $ref.startsWith('#/components/schemas/')
    ? at(document_.components.schemas, $ref.slice('#/components/schemas/'.length))
    : at(root, $ref.slice('#/'.length))
  return { ...resolve(target, root), ...own }
}

function at(start: unknown, pointer: string): Schema {
  let found: unknown = start
  for (const step of pointer.split('/')) found = (found as Record<string, unknown> | undefined)?.[step]
  return (found as Schema | undefined) ?? {}
}

/** The request that runs an operation with `input`: members of the path first, the rest in query or body. */
export function requestOf(name: string, input: Json = {}): ApiRequest {
  const { method, path } = splitName(name)
  const rest = { ...input }
  const filled = path.replaceAll(/:(\w+)/g, (_, member: string) => {
    const value = rest[member]
    delete rest[member]
    return encodeURIComponent(value === undefined ? `:${member}` : textOf(value))
  })
  const hasBody = ['POST', 'PUT', 'PATCH'].includes(method)
  if (hasBody) return { method, path: filled, body: rest }
  return Object.keys(rest).length === 0 ? { method, path: filled } : { method, path: filled, query: rest }
}

/** Runs an operation. One that changes something carries a key, so that sending it twice does it once. */
export function run<T = Json>(name: string, input: Json = {}, signal?: AbortSignal): Promise<T> {
  const request = requestOf(name, input)
  const writes = request.method !== 'GET' && credential.get().kind !== 'none'
  const headers = writes ? { 'idempotency-key': crypto.randomUUID() } : {}
  return call<T>({ ...request, headers }, signal)
}
