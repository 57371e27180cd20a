/** OpenAPI 3.1 as far as our document uses it: an unknown or misplaced member is a mistake. */
import { z } from 'zod'

const Reference = z.strictObject({ $ref: z.string().startsWith('#/components/') })
const or = <T extends z.ZodType>(type: T) => z.union([Reference, type])
const named = <T extends z.ZodType>(type: T) => z.record(z.string().regex(/^[\w.-]+$/), type)

/** JSON Schema 2020-12; `definitions` and a `nullable` of older times are not part of it. */
const Schema = z
  .record(z.string(), z.unknown())
  .refine((schema) => !['definitions', 'nullable', '$schema', 'example'].some((name) => name in schema))

const Example = z.strictObject({ summary: z.string().optional(), value: z.unknown() })
const Media = z.record(
  z.string().regex(/^[a-z]+\/[a-z0-9.+-]+$/),
  z.strictObject({ schema: Schema, examples: named(Example).optional() }),
)
const Header = z.strictObject({ description: z.string(), schema: Schema })
const Parameter = z
  .strictObject({
    name: z.string().min(1),
    in: z.enum(['path', 'query', 'header']),
    required: z.boolean().optional(),
    description: z.string().optional(),
    schema: Schema,
    example: z.unknown().optional(),
  })
  .refine((parameter) => parameter.in !== 'path' || parameter.required === true, 'must be required')
  .refine(
    (parameter) =>
      parameter.in !== 'header' || !/^(accept|content-type|authorization)$/i.test(parameter.name),
    'is ignored by OpenAPI',
  )
const Response = z.strictObject({
  description: z.string().min(1),
  headers: z.record(z.string(), or(Header)).optional(),
  content: Media.optional(),
})
const Responses = z.record(z.string().regex(/^([1-5]\d\d|default)$/), or(Response))

const Operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z0-9]*$/),
  summary: z.string().min(1),
  description: z.string().optional(),
  tags: z.array(z.string()).length(1),
  security: z
    .array(
      z.partialRecord(z.enum(['bearerToken', 'apiKey', 'session', 'invitationToken']), z.array(z.string())),
    )
    .optional(),
  parameters: z.array(or(Parameter)),
  requestBody: z.strictObject({ required: z.boolean(), content: Media }).optional(),
  responses: Responses,
  /** What a narrowed token must cover; of a path it stands in `x-agentese`. */
  'x-scopes': z.array(z.string()).min(1).optional(),
  'x-agentese': z
    .strictObject({
      path: z.string(),
      category: z.string().length(1),
      effects: z.array(z.string()),
      archetypes: z.union([z.literal('all'), z.array(z.string())]),
      permission: z.string().nullable(),
      scopes: z.array(z.string()),
      cost: z.record(z.string(), z.number()),
    })
    .optional(),
})
export type Operation = z.infer<typeof Operation>

export const OpenApiDocument = z.strictObject({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: z.strictObject({
    title: z.string(),
    version: z.string(),
    summary: z.string(),
    description: z.string(),
    license: z.strictObject({ name: z.string(), identifier: z.string() }),
  }),
  jsonSchemaDialect: z.literal('https://json-schema.org/draft/2020-12/schema'),
  servers: z.array(z.strictObject({ url: z.string(), description: z.string() })),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  'x-tagGroups': z.array(z.strictObject({ name: z.string(), tags: z.array(z.string()) })),
  paths: z.record(
    z.string().regex(/^\/([^{}:]|\{\w+\})*$/),
    z.strictObject({
      get: Operation.optional(),
      post: Operation.optional(),
      put: Operation.optional(),
      patch: Operation.optional(),
      delete: Operation.optional(),
    }),
  ),
  components: z.strictObject({
    securitySchemes: named(z.looseObject({ type: z.enum(['http', 'apiKey']), description: z.string() })),
    schemas: named(Schema),
    parameters: named(Parameter),
    headers: named(Header),
    responses: named(Response),
  }),
})
