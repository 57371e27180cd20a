/**
 * An invoice as a PDF of as many pages as it takes.
 *
 * The fonts of every PDF reader know Western European letters alone, so DejaVu Sans is embedded: Latin, Greek, Cyrillic, Armenian,
 * Georgian, Arabic and Hebrew letters. What it does not have, such as Chinese, Japanese and Korean, is shown as a box; the properties
 * of the document and the JSON have every name as it is. Lines run from left to right, also in scripts that do not.
 */
import { createRequire } from 'node:module'
// oxlint-disable-next-line import/no-named-as-default -- reason: its types know the default alone
import PDFDocument from 'pdfkit'
import { dollars } from './dollars.ts'
import type { FullInvoice } from './full.ts'

const require = createRequire(import.meta.url)
const FONTS = {
  plain: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf'),
  bold: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf'),
} as const

type Document = InstanceType<typeof PDFDocument>

/** In points. */
const MARGIN = 56
const WIDTH = 595 - 2 * MARGIN
const AMOUNT_WIDTH = 100
const TEXT_WIDTH = WIDTH - AMOUNT_WIDTH - 12
const BOTTOM = 842 - MARGIN - 30
const SMALL = 8
const NORMAL = 9.5

/** Renders an invoice; the same one is the same document each time. */
export async function renderInvoice({ invoice }: { invoice: FullInvoice }): Promise<Buffer> {
  const document = new PDFDocument({
    size: 'A4',
    font: FONTS.plain,
    margin: MARGIN,
    bufferPages: true,
    info: {
      Title: `Invoice ${invoice.number}`,
      Subject: `Invoice ${invoice.number} to ${invoice.bill_to}`,
      CreationDate: new Date(invoice.issued_at),
    },
    lang: 'en',
  })
  document.registerFont('plain', FONTS.plain).registerFont('bold', FONTS.bold)
  const chunks: Buffer[] = []
  document.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise<void>((resolve, reject) => document.on('end', resolve).on('error', reject))
  writeHead(document, invoice)
  for (const line of invoice.lines) writeLine(document, line)
  writeTotals(document, invoice)
  numberPages(document, invoice)
  document.end()
  await ended
  return Buffer.concat(chunks)
}

function writeHead(document: Document, invoice: FullInvoice): void {
  document.font('bold').fontSize(20).text('Invoice', MARGIN, MARGIN)
  document.font('plain').fontSize(NORMAL).moveDown(0.5)
  const facts = [
    ['Number', invoice.number],
    ['Issued', day(invoice.issued_at)],
    ['Due', day(invoice.due_at)],
    ['Period', `${day(invoice.period_start)} to ${day(invoice.period_end)}`],
    ['Status', invoice.status],
    ['Bill to', invoice.bill_to],
  ] as const
  for (const [name, value] of facts) {
    const y = document.y
    document.text(name, MARGIN, y, { width: 70 })
    document.text(shown(document, value), MARGIN + 75, y, { width: WIDTH - 75 })
  }
  document.moveDown(1.5)
  rule(document)
}

function writeLine(document: Document, line: FullInvoice['lines'][number]): void {
  const traced = trace(line)
  document.font('plain').fontSize(NORMAL)
  const height = document.heightOfString(line.description, { width: TEXT_WIDTH }) + 2 * SMALL + 10
  if (document.y + height > BOTTOM) document.addPage()
  const y = document.y
  document.text(shown(document, line.description), MARGIN, y, { width: TEXT_WIDTH })
  const below = document.y
  document.text(dollars(line.cents), MARGIN + WIDTH - AMOUNT_WIDTH, y, {
    width: AMOUNT_WIDTH,
    align: 'right',
  })
  document
    .fontSize(SMALL)
    .fillColor('#555')
    .text(traced, MARGIN, below, { width: TEXT_WIDTH })
    .fillColor('black')
  document.moveDown(0.6)
}

/** From what an amount comes. */
function trace({
  plan,
  plan_version,
  period_start,
  period_end,
  usage,
}: FullInvoice['lines'][number]): string {
  const about = `Plan ${plan}, version ${plan_version}; ${day(period_start)} to ${day(period_end)}`
  if (usage === undefined) return about
  const { quantity, included, price_cents, per } = usage
  return `${about}; ${quantity} used, ${included} included, ${price_cents} cents for ${per}`
}

function writeTotals(document: Document, invoice: FullInvoice): void {
  const rows: [string, number][] = [
    ['Total', invoice.total_cents],
    ...invoice.payments.map(({ cents, received_at }): [string, number] => [
      `Paid on ${day(received_at)}`,
      -cents,
    ]),
    ...invoice.credit_notes.map(({ number, cents }): [string, number] => [`Credit note ${number}`, -cents]),
    ['Open', invoice.open_cents],
  ]
  if (document.y + rows.length * 18 + 20 > BOTTOM) document.addPage()
  rule(document)
  for (const [name, cents] of rows) {
    if (document.y + 18 > BOTTOM) document.addPage()
    const y = document.y
    document.font(name === 'Total' || name === 'Open' ? 'bold' : 'plain').fontSize(NORMAL)
    document.text(name, MARGIN, y, { width: TEXT_WIDTH })
    document.text(dollars(cents), MARGIN + WIDTH - AMOUNT_WIDTH, y, { width: AMOUNT_WIDTH, align: 'right' })
    document.moveDown(0.3)
  }
}

function numberPages(document: Document, { number }: FullInvoice): void {
  const { count } = document.bufferedPageRange()
  for (let page = 0; page < count; page++) {
    document.switchToPage(page)
    // Below the margin, where text would otherwise begin another page.
    document.page.margins.bottom = 0
    const text = `${number} · page ${page + 1} of ${count}`
    document
      .font('plain')
      .fontSize(SMALL)
      .text(text, MARGIN, 842 - MARGIN + 10, { width: WIDTH, align: 'center' })
  }
}

function rule(document: Document): void {
  const { y } = document
  document
    .moveTo(MARGIN, y)
    .lineTo(MARGIN + WIDTH, y)
    .lineWidth(0.5)
    .stroke()
  document.y = y + 10
}

const BOX = '□'

interface Fonted {
  _font: { font: { hasGlyphForCodePoint(code: number): boolean } }
}

/** A text with a box for each letter that the font does not have. */
function shown(document: Document, text: string): string {
  const { font } = (document as unknown as Fonted)._font // reason: the types of pdfkit leave it out
  return Array.from(text)
    .map((letter) => (font.hasGlyphForCodePoint(letter.codePointAt(0) ?? 0) ? letter : BOX))
    .join('')
}

function day(time: string): string {
  return time.slice(0, 10)
}
