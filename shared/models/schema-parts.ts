/** The parts of a JSON Schema, and whether a value can meet it that has an end. */

export type SchemaObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The schemas right inside `node`, each with the place that it has there. */
export function childrenOf(node: SchemaObject): [place: string, child: unknown][] {
  const named = ['properties', '$defs', 'definitions'].flatMap((keyword) =>
    isObject(node[keyword])
      ? Object.entries(node[keyword]).map(([name, child]): [string, unknown] => [`${keyword}/${name}`, child])
      : [],
  )
  const listed = ['anyOf', 'oneOf', 'allOf', 'prefixItems'].flatMap((keyword) =>
    listIn(node, keyword).map((child, at): [string, unknown] => [`${keyword}/${at}`, child]),
  )
  const { items, additionalProperties } = node
  return [
    ...named,
    ...listed,
    ...(items === undefined ? [] : ([['items', items]] as [string, unknown][])),
    ...(isObject(additionalProperties)
      ? ([['additionalProperties', additionalProperties]] as [string, unknown][])
      : []),
  ]
}

export function listIn(node: SchemaObject, keyword: string): readonly unknown[] {
  const list = node[keyword]
  return Array.isArray(list) ? list : []
}

/** The definitions of a schema; `#` is the schema itself. */
export function definitionsOf(root: SchemaObject): Map<string, unknown> {
  const entries = ['$defs', 'definitions'].flatMap((keyword) =>
    Object.entries(isObject(root[keyword]) ? root[keyword] : {}).map(([name, schema]): [string, unknown] => [
      `#/${keyword}/${name}`,
      schema,
    ]),
  )
  return new Map([['#', root], ...entries])
}

/** What a reference is to; undefined where it is to nothing in `root`. */
export function resolveRef(ref: unknown, root: SchemaObject): unknown {
  return typeof ref === 'string' ? definitionsOf(root).get(ref) : undefined
}

/**
 * Whether some finite value meets the schema, and every definition of it that is used: the smallest set of definitions that can
 * end, found round by round. A definition that is another one, which is the first, never can.
 */
export function canEnd(root: SchemaObject): boolean {
  const definitions = definitionsOf(root)
  const ending = new Set<string>()
  for (let grown = true; grown;) {
    grown = false
    for (const [ref, schema] of definitions) {
      if (ending.has(ref) || !ends(schema, ending)) continue
      ending.add(ref)
      grown = true
    }
  }
  return ending.size === definitions.size && !isLeftRecursive(definitions)
}

function ends(schema: unknown, ending: ReadonlySet<string>): boolean {
  if (!isObject(schema)) return schema === true
  const { $ref, properties, items, minItems } = schema
  if (typeof $ref === 'string' && !ending.has($ref)) return false
  const alternatives = [...listIn(schema, 'anyOf'), ...listIn(schema, 'oneOf')]
  if (alternatives.length > 0 && !alternatives.some((each) => ends(each, ending))) return false
  const needed = listIn(schema, 'required').map((name) =>
    isObject(properties) && Object.hasOwn(properties, String(name)) ? properties[String(name)] : true,
  )
  const first = typeof minItems === 'number' && minItems > 0 && items !== undefined ? [items] : []
  const all = [...needed, ...first, ...listIn(schema, 'prefixItems'), ...listIn(schema, 'allOf')]
  return all.every((each) => ends(each, ending))
}

/** Whether a definition is, in one of its alternatives, itself: no grammar can be made of it. */
function isLeftRecursive(definitions: ReadonlyMap<string, unknown>): boolean {
  const next = new Map([...definitions].map(([ref, schema]) => [ref, aliasesIn(schema)]))
  return [...definitions.keys()].some((start) => {
    const seen = new Set<string>()
    const waiting = [...(next.get(start) ?? [])]
    for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop()) {
      if (ref === start) return true
      if (seen.has(ref)) continue
      seen.add(ref)
      waiting.push(...(next.get(ref) ?? []))
    }
    return false
  })
}

/** Definitions that a schema may stand for without adding anything. */
function aliasesIn(schema: unknown): string[] {
  if (!isObject(schema)) return []
  const { $ref } = schema
  const inner = ['anyOf', 'oneOf', 'allOf'].flatMap((keyword) => listIn(schema, keyword))
  return [...(typeof $ref === 'string' ? [$ref] : []), ...inner.flatMap(aliasesIn)]
}
