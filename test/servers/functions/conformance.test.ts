/** The OpenAPI document against the functions that it describes: inputs are made from each schema, good ones and bad ones. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { createOpenApi } from '../../../functions/control/reference/open-api.ts'
import { testWith } from './world.ts'

const test = testWith()

interface Schema {
  $ref?: string
  properties?: Record<string, Schema>
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: Schema
  minProperties?: number
  type?: string | string[]
  minItems?: number
  maxItems?: number
  additionalProperties?: Schema | boolean
}

interface Operation {
  operationId: string
  security?: Record<string, unknown>[]
  requestBody?: { content: Record<string, { schema: Schema; examples?: Record<string, { value: object }> }> }
  responses: Record<string, unknown>
}

const { paths, components } = createOpenApi(catalog) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** Every POST of JSON whose path is fixed, for holders of an API key: the call, its schema, and inputs that work. */
const operations = Object.entries(paths).flatMap(([path, { post }]) => {
  const content = post?.requestBody?.content['application/json']
  if (post === undefined || content === undefined || path.includes('{')) return []
  if (post.security?.every((each) => !('apiKey' in each)) ?? false) return []
  const schema = components.schemas[content.schema.$ref?.split('/').at(-1) ?? '']
  const examples = Object.values(content.examples ?? {}).map(({ value }) => value)
  return schema === undefined ? [] : [{ path, post, schema, examples }]
})

/** Whether `value` has the members that `schema` requires to stand together; of their values the type and the length count. */
function fits(
  value: unknown,
  { properties = {}, required = [], anyOf, oneOf, not, minProperties = 0, ...of }: Schema,
): boolean {
  if ((of.type === 'null') !== (value === null) && ['null', 'string'].includes(String(of.type))) return false
  if (Array.isArray(value)) {
    const { minItems = 0, maxItems = Infinity } = of
    return value.length >= minItems && value.length <= maxItems
  }
  if (typeof value !== 'object' || value === null) return true
  const members = value as Record<string, unknown>
  return (
    required.every((name) => name in members && fits(members[name], properties[name] ?? {})) &&
    (anyOf?.some((each) => fits(value, each)) ?? true) &&
    (oneOf === undefined || oneOf.filter((each) => fits(value, each)).length === 1) &&
    !(not?.required?.every((name) => name in members) ?? false) &&
    Object.keys(members).length >= minProperties
  )
}

/** Whether it takes members that it does not name, as SCIM requires. */
function isOpen({ additionalProperties }: Schema): boolean {
  return typeof additionalProperties === 'object' || additionalProperties === true
}

describe('createOpenApi()', () => {
  test('says for each call which members must stand together: with fewer of an example, it is refused', async ({
    newTenant,
    expect,
  }) => {
    const tenant = await newTenant('enterprise', ['admin', 'developer'])
    const together = operations.filter(
      ({ schema }) => schema.anyOf ?? schema.oneOf ?? schema.not ?? schema.minProperties,
    )
    expect(together.length).toBeGreaterThan(10)
    for (const { path, post, schema, examples } of together) {
      for (const example of examples) {
        expect(fits(example, schema), path).toBe(true)
        for (const left of fc.sample(fc.subarray(Object.entries(example)), { numRuns: 5, seed: 1 })) {
          const input = Object.fromEntries(left)
          const { status } = await tenant.calls('POST', path, input)
          expect(Object.keys(post.responses), `${path} ${status}`).toContain(String(status))
          if (!fits(input, schema))
            expect([path, input, status]).toEqual([path, input, expect.toBeOneOf([400, 403])])
        }
      }
    }
  })

  test('has each status that odd input leads to, and none of 500', async ({ newTenant, expect }) => {
    const tenant = await newTenant('enterprise', ['admin', 'developer'])
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...operations),
        fc.jsonValue(),
        async ({ path, post, schema, examples }, odd) => {
          const [example = {}] = examples
          const name = Object.keys(example)[0] ?? 'input'
          for (const body of [odd, { ...example, [name]: odd }, { ...example, surplus: odd }]) {
            // From an address of its own: what one may try is limited.
            const from = { 'x-real-ip': `10.${randomBytes(3).join('.')}` }
            const { status } = await tenant.calls('POST', path, body ?? 'null', from)
            expect(status, path).toBeLessThan(500)
            expect(Object.keys(post.responses), path).toContain(String(status))
            if ('surplus' in Object(body) && !isOpen(schema)) expect([400, 403], path).toContain(status)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
