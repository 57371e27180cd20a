/** What pages are described by: a list of an operation, the facts of one, or a component of its own. */
import type { View } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import type { ActionFacts } from './action.ts'
import type { Column } from './table.ts'

export interface RowAction extends ActionFacts {
  /** Whether its form begins with what the row has. */
  edits?: boolean
  /** The input that a row decides; absent is its id. */
  fill?(row: Json): Json
  /** Whether a row has it. */
  when?(row: Json): boolean
}

/** An operation whose answer is a file. */
export interface DownloadFacts {
  operation: string
  label: string
  file(row: Json): string
}

export interface ListSection {
  list: string
  title: string
  /** What its rows are, in the plural: "members". */
  of: string
  /** The member of the answer that has the rows; absent is its first list. */
  member?: string
  /** Absent are those that the schema of the answer names. */
  columns?: readonly Column[]
  input?: Json
  actions?: readonly ActionFacts[]
  rowActions?: readonly RowAction[]
  downloads?: readonly DownloadFacts[]
  /** How a row is called, in the names of its buttons. */
  nameOf?(row: Json): string
  /** What belongs to one row, each shown on request. */
  inner?: (row: Json) => readonly (ListSection | FactsSection)[]
  everySeconds?: number
  /** Where in this page there is more about a row. */
  link?: (row: Json) => { label: string; href: string }
}

export interface FactsAction extends ActionFacts {
  /** Whether it can be done as things are. */
  when?(answer: Json): boolean
}

export interface FactsSection {
  facts: string
  title: string
  input?: Json
  /** What of the answer is shown; absent is all of it. */
  show?(answer: Json): unknown
  actions?: readonly FactsAction[]
}

export interface OwnSection {
  view: () => View
}

export type Section = ListSection | FactsSection | OwnSection

export interface Page {
  id: string
  title: string
  group: string
  /** One sentence below the title. */
  about: string
  /** Whether it is reached by links alone. */
  hidden?: boolean
  /** Who sees it in the menu; absent is everybody. */
  permission?: string
  sections: readonly Section[]
}
