/** The README pages as data: their sections, tables, code and links. */
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export interface Page {
  /** From the root of the repository, such as `functions/README.md`. */
  file: string
  text: string
}

export const PAGES: readonly Page[] = globSync(
  '{README.md,{functions,shared,gateway,gpu-workers,knative,test}/**/README.md}',
  {
    cwd: ROOT,
  },
).map((file) => ({ file, text: readFileSync(`${ROOT}${file}`, 'utf8') }))

/** What stands under a heading, down to the next of any level. */
export function sectionOf(file: string, heading: string): string {
  const text = PAGES.find((page) => page.file === file)?.text ?? ''
  const [, section] = text.split(new RegExp(`^#+ ${heading}$`, 'm'))
  if (section === undefined) throw new Error(`${file} has no section "${heading}"`)
  return section.split(/^#+ /m)[0] ?? ''
}

/** The cells of the first table in a section, without its head. */
export function tableOf(file: string, heading: string): string[][] {
  const [table = ''] = /(^\|.*\n)+/m.exec(sectionOf(file, heading)) ?? []
  const rows = table.trim().split('\n').slice(2)
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** What stands between backticks: `a`, and ``b`c` ``. */
export function spansOf(text: string): string[] {
  return [...text.matchAll(/(`+)(.+?)\1(?!`)/g)].map(([, , span = '']) => span.trim())
}

/** All code of a page: its spans and its blocks. */
export function codeOf({ text }: Page): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([^]*?)^```/gm)].map(([, block = '']) => block)
  return [...blocks, ...spansOf(text.replaceAll(/^```[^]*?^```/gm, ''))]
}

/** Targets of links to other places in the repository. */
export function linksOf({ text }: Page): string[] {
  return [...text.matchAll(/\]\(([^)]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !target.includes('://'))
}

/** Names under which a page's headings can be linked to. */
export function anchorsOf({ text }: Page): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
