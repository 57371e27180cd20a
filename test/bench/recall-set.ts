/**
 * Memories, and what somebody asks who has forgotten their words: a query and the memories that it is after share no
 * word that carries meaning, so that looking for keywords finds nothing. Shows what an embedding model is worth.
 */

/** In the order of their numbers, from 0, by which the queries name them. */
export const memories: readonly string[] = [
  'The staging database ran out of disk space on Tuesday night',
  'Maria prefers to be called in the afternoon because she takes her children to school',
  'We agreed to drop support for Internet Explorer with the next release',
  'The sourdough needs eighteen hours in the fridge before it goes into the oven',
  'Payment by invoice is only offered to companies with more than fifty employees',
  'My grandfather built the wooden boat that hangs in the hallway',
  'The login page takes nine seconds to load for people in Brazil',
  'Our cat Pixel is allergic to chicken and only eats salmon',
  'The auditors want to see who opened customer records during the past year',
  'I felt calm for the first time in weeks after the walk along the river',
  'The heating in the meeting room on the third floor is broken',
  'Jonas will leave the team in March to study medicine in Vienna',
  'Passwords are hashed with argon2 and never written to the logs',
  'The flight to Lisbon leaves at six, so the taxi is ordered for four',
  'Sales fell by a fifth after we had doubled the price of the starter plan',
  'She plays the cello in a quartet every Thursday',
  'A memory leak in the image resizer makes its pods restart twice a day',
  'The dentist found a cavity and will fill it next month',
  'We chose PostgreSQL over MongoDB because we need transactions',
  'The garden gets no sun before noon, so tomatoes did not ripen there',
  'Ahmed cannot eat gluten, keep that in mind when ordering pizza',
  'The contract with the hosting provider ends in December and renews by itself',
  'I keep the spare key under the blue flowerpot',
  'The customer from Oslo complained that nobody answered her emails',
  'Running every other day lowered my blood pressure',
  'The new logo was rejected because it looks like that of a bank',
  'Deployments on Fridays are forbidden since the outage in May',
  'The old bridge is closed for repairs until autumn, take the ferry',
  'He proposed to her on a mountain top in the snow',
  'The chatbot gave legal advice that was plainly wrong',
  'Translations into Japanese are checked by a native speaker in Kyoto',
  'The children laughed when the magician pulled a rabbit from his hat',
  'The production database was restored from a backup on Sunday morning',
  'Tom wants meetings before ten because he swims at noon',
  'The rye bread burned because the oven was too hot',
  'Our dog Bella is afraid of thunder',
  'The signup form fails when a name contains an apostrophe',
  'Lena moved from marketing to product management in April',
  'Backups are encrypted and kept for ninety days',
  'Sleeping with an open window cured my headaches',
]

interface LabelledQuery {
  query: string
  /** Numbers of the memories that answer it. */
  wanted: readonly number[]
}

export const queries: readonly LabelledQuery[] = [
  { query: 'server storage was full', wanted: [0] },
  { query: 'when is a good time to phone the mother', wanted: [1] },
  { query: 'which browsers can we stop testing', wanted: [2] },
  { query: 'how long must the dough rest before baking bread', wanted: [3] },
  { query: 'slow website in South America', wanted: [6] },
  { query: 'what may I feed our pet', wanted: [7] },
  { query: 'access trail demanded by compliance', wanted: [8] },
  { query: 'a moment of inner peace in nature', wanted: [9] },
  { query: 'colleague who is quitting to become a doctor', wanted: [11] },
  { query: 'how are credentials protected', wanted: [12] },
  { query: 'revenue dropped when it became more expensive', wanted: [14] },
  { query: 'container crashes since RAM use keeps growing', wanted: [16] },
  { query: 'why this relational engine and not a document store', wanted: [18] },
  { query: 'dietary restrictions of coworkers at lunch', wanted: [20] },
  { query: 'where can I get in when I have locked myself out', wanted: [22] },
  { query: 'unhappy client waiting for a reply', wanted: [23] },
  { query: 'exercise is good for the heart', wanted: [24] },
  { query: 'day of the week on which shipping to production is not allowed', wanted: [26] },
  { query: 'romantic marriage story', wanted: [28] },
  { query: 'artificial intelligence made mistakes about the law', wanted: [29] },
  { query: 'something that a relative made with his own hands', wanted: [5] },
  { query: 'reasons to rethink our visual identity', wanted: [25] },
  { query: 'agreement that we must cancel or be stuck for longer', wanted: [21] },
  { query: 'detour on the way across the water', wanted: [27] },
  { query: 'who makes sure that foreign texts read well', wanted: [30] },
  { query: 'uncomfortably cold place at work', wanted: [10] },
  { query: 'my teeth', wanted: [17] },
  { query: 'what makes me healthier', wanted: [24, 39] },
  { query: 'data can be recovered after a disaster', wanted: [32, 38] },
  { query: 'animals that live with us', wanted: [7, 35] },
]
