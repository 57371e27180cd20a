/**
 * What the page at `/console` is made of: its modules, the libraries that they import, and its style sheets. There is no build
 * step: types are stripped, the rest is served as it lies here. The bundle holds the answer of `readPageFiles()` instead
 * of this file (`knative/bundle.ts`).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Texts by their paths, such as `core/api.ts`. */
export type PageFiles = Record<string, string>

const PAGE = fileURLToPath(new URL('page', import.meta.url))
const FOLDERS = ['core', 'parts', 'pages', 'styles']

/** The libraries: what modules import, the file of the package, and the path that it is served at. */
const LIBRARIES = [
  ['preact', 'preact', 'dist/preact.mjs', 'library/preact.js'],
  ['preact/hooks', 'preact', 'hooks/dist/hooks.mjs', 'library/hooks.js'],
  ['htm', 'htm', 'dist/htm.module.js', 'library/htm.js'],
  ['uplot', 'uplot', 'dist/uPlot.esm.js', 'library/uplot.js'],
] as const
const STYLES = [['uplot', 'dist/uPlot.min.css', 'styles/uplot.css']] as const

/** Reads all files of the page. */
export function readPageFiles(): PageFiles {
  const own = FOLDERS.flatMap((folder) =>
    readdirSync(join(PAGE, folder)).map((name) => {
      const text = readFileSync(join(PAGE, folder, name), 'utf8')
      return [`${folder}/${name}`, name.endsWith('.ts') ? linked(stripTypeScriptTypes(text)) : text]
    }),
  )
  const libraries = LIBRARIES.map(([, name, file, path]) => [path, linked(readPackage(name, file))])
  const styles = STYLES.map(([name, file, path]) => [path, readPackage(name, file)])
  return Object.fromEntries([...own, ...libraries, ...styles]) as PageFiles // reason: pairs of texts
}

/** Some packages export neither their `package.json` nor the file that browsers want, so the folder of the main file is searched. */
function readPackage(name: string, file: string): string {
  const main = createRequire(import.meta.url).resolve(name)
  const root = main.slice(0, main.lastIndexOf(join('node_modules', name)) + join('node_modules', name).length)
  return readFileSync(join(dirname(root), name, file), 'utf8')
}

/** A browser finds no packages by name: their imports become those of the served files. */
function linked(text: string): string {
  const named = text.replaceAll(
    /(\bfrom\s*|\bimport\s*\(?\s*)(['"])([a-z/]+)\2/g,
    (whole, keyword: string, _, name) => {
      const path = LIBRARIES.find(([imported]) => imported === name)?.[3]
      return path === undefined ? whole : `${keyword}'../${path}'`
    },
  )
  return named.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')
}
