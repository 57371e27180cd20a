/** The tools that only read contracts: what paths there are, and what one takes. */
import type { CallToolResult } from '@modelcontextprotocol/server'
import type { z } from 'zod'
import { contractOf } from '../logos/discovery.ts'
import { findPath } from '../logos/resolve.ts'
import { answered } from './results.ts'
import type { Serving } from './serving.ts'
import { hintsOf, type DiscoverInput } from './tools.ts'

export async function discoverPaths(
  { context, text = '', limit, offset }: z.infer<typeof DiscoverInput>,
  { catalog, nodesOf }: Serving,
): Promise<CallToolResult> {
  const nodes = context === undefined ? await catalog() : await nodesOf(context)
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const all = nodes
    .flatMap(({ endpoints }) => endpoints)
    .flatMap(({ aspect, summary }) =>
      aspect === undefined ? [] : [{ path: aspect.path, summary, category: aspect.category }],
    )
    .filter(({ path, summary }) => words.every((word) => `${path} ${summary}`.toLowerCase().includes(word)))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  const paths = all.slice(offset, offset + limit)
  const lines = paths.map(({ path, category, summary }) => `${path} (${category}): ${summary}`)
  return answered(lines.join('\n') || 'No path fits', { paths, total: all.length })
}

export async function describePath(path: string, call: Serving): Promise<CallToolResult> {
  const { endpoint } = await findPath(path, call)
  const contract = { ...contractOf(endpoint, true), hints: hintsOf(endpoint.aspect) }
  return answered(contract, contract)
}
