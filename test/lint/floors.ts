/**
 * A rule of the linter: folders are floors of one house, and no file imports from a floor above its own. Types count as well.
 *
 * The option is the folders, the ground first; a file is on the floor of the last one that it is in.
 */
import { dirname, join, relative, sep } from 'node:path'
import type { Rule } from './rule.ts'

/** What it imports from, where that is written out. */
interface Importing {
  source: { range: [number, number]; value?: unknown } | null
}

export const floors: Rule = {
  meta: { schema: [{ type: 'array', items: { type: 'string' } }] },
  create({ cwd, filename, options, report }) {
    const folders = options[0] as string[] // reason: the schema says so
    const floorOf = (path: string) => {
      const inRepository = relative(cwd, path).split(sep).join('/')
      return folders.findLastIndex((folder) => inRepository.startsWith(`${folder}/`))
    }
    const own = floorOf(filename)
    const check = (node: object) => {
      const { source } = node as Importing // reason: asked for by the names below
      if (own < 0 || source === null || !('value' in source)) return
      const path = String(source.value)
      const floor = path.startsWith('.') ? floorOf(join(dirname(filename), path)) : own
      if (floor <= own) return
      report({
        node: source,
        message: `${folders[own]} must not import from ${folders[floor]}: it lies above`,
      })
    }
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    }
  },
}
