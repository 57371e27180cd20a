/** Shorter forms of a memory's text, and the text of what an earlier stage of a composition came to. */
import { beginningOf } from '../../../../shared/beginning.ts'

/** Characters of each form. */
const SUMMARY = 200
const TITLE = 60

export type Detail = 'text' | 'summary' | 'title'

/** What is shown of a memory at its resolution, 0 to 1. */
export function detailAt(resolution: number): Detail {
  if (resolution >= 0.5) return 'text'
  return resolution >= 0.1 ? 'summary' : 'title'
}

export function inDetail(content: string, detail: Detail): string {
  if (detail === 'text') return content
  return detail === 'summary' ? summaryOf(content) : titleOf(content)
}

/** Its first sentences, as far as they fit into 200 characters; else what fits of the first one. */
export function summaryOf(content: string): string {
  const flat = flatten(content)
  if (flat.length <= SUMMARY) return flat
  const end = beginningOf(flat, SUMMARY).search(/[.!?](?=\s[^.!?]*$)/)
  return end > 0 ? flat.slice(0, end + 1) : cut(flat, SUMMARY)
}

function titleOf(content: string): string {
  const [first = ''] = content.trim().split('\n', 1)
  return cut(flatten(first), TITLE)
}

/** Members of a result that hold its text. */
const TEXT_MEMBERS = ['response', 'text', 'content', 'summary', 'refined', 'definition']

/** Text as it is; of an object the member that holds its text, else all of it as JSON. */
export function textOfResult(result: unknown): string {
  if (typeof result === 'string') return result.trim()
  if (typeof result === 'object' && result !== null) {
    const found = TEXT_MEMBERS.map((name) => (result as Record<string, unknown>)[name])
    const text = found.find((each) => typeof each === 'string' && each.trim() !== '')
    if (typeof text === 'string') return text.trim()
  }
  return JSON.stringify(result) ?? ''
}

function flatten(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

/** The beginning of a text, up to a whole word where there is one, and never through a character. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text
  const start = beginningOf(text, length - 1)
  const space = start.lastIndexOf(' ')
  return `${space > length / 2 ? start.slice(0, space) : start}…`
}
