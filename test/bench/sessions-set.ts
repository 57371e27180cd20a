/**
 * Conversations of one person over months, and what it asks later: each answer is in one message of one of them. Some
 * conversations are about much the same, so that topic alone does not decide. Made for this bench; no public set.
 */

/** Messages in turn, the person's first. */
export const sessions: readonly (readonly string[])[] = [
  [
    'I adopted a greyhound from the shelter in Leeds last weekend, her name is Biscuit',
    'Congratulations! Greyhounds sleep a lot and need a soft bed.',
    'She limps a little after long walks, so we stay under four kilometres',
    'Ask a vet to check her left hip before you walk farther.',
  ],
  [
    'My sister got a puppy, a beagle called Rufus, and he eats shoes',
    'Frozen carrots are a cheap thing for a beagle to chew.',
    'She wants to train him with a clicker from March on',
    'Five minutes twice a day are enough at the start.',
  ],
  [
    'We moved the product launch from May to the second week of September',
    'Then the beta should close by the middle of August.',
    'Priya owns the launch plan now since Daniel is on parental leave',
    'I would announce the new owner before the kick-off.',
  ],
  [
    'Our launch page converts two percent of visitors, the old one had three',
    'The longer form is the likeliest reason.',
    'We removed the phone number from the form yesterday',
    'Give it a week before you compare.',
  ],
  [
    'I want to run the half marathon in Porto in under two hours',
    'That takes a pace of five minutes and forty seconds for each kilometre.',
    'My knee hurts when I train on asphalt',
    'Try the river path and softer shoes, and rest for ten days.',
  ],
  [
    'Swimming on Wednesdays replaced my runs for now',
    'Good choice while the joint heals.',
    'The pool in our quarter opens at six thirty in the morning',
    'Then you could be at your desk by eight.',
  ],
  [
    'My mother turns seventy in April and I plan a surprise in Trieste',
    'A boat trip along the coast might please her.',
    'She cannot eat shellfish, and my uncle is vegetarian',
    'A place with a set menu in two versions would solve that.',
  ],
  [
    'For Christmas my parents come to us, six people around a table for four',
    'A door on two trestles makes a fine table.',
    'Dad only drinks decaffeinated coffee since his operation',
    'I would order it early; shops run out in December.',
  ],
  [
    'The invoice service times out when a tenant has more than ten thousand lines',
    'Stream the lines instead of loading them all.',
    'We decided to split the export into nightly batches',
    'Remember to make each batch idempotent.',
  ],
  [
    'Our search index was rebuilt on Saturday and took eleven hours',
    'Two workers in parallel would nearly halve that.',
    'The bottleneck was the disk, not the CPU',
    'Then faster storage helps more than further workers.',
  ],
  [
    'I started learning the cello, my teacher is Mrs Okafor',
    'Slow scales in the first weeks are worth the boredom.',
    'Lessons are on Monday evenings in the old school house',
    'Bring a towel for the floor, the spike slips on wood.',
  ],
  [
    'The neighbours complained about music after nine in the evening',
    'A rubber practice mute makes a string instrument much quieter.',
    'I promised them to stop at half past eight',
    'That is fair, and easier to keep than an apology.',
  ],
  [
    'We are refinancing the house, the bank in Graz offers 3.1 percent for ten years',
    'Ask whether extra repayments are free.',
    'The other bank wants 3.4 but lets us pay back early',
    'Early repayment is worth more than it seems when income varies.',
  ],
  [
    'I cancelled the gym and put that money into the index fund',
    'That is about five hundred a year.',
    'My rule is never to look at the fund more than once a month',
    'A rule that is written down is kept more often.',
  ],
  [
    'The roof leaks above the study when the wind comes from the west',
    'Look at the flashing around the chimney first.',
    'A roofer called Haas will come on the ninth and wants cash',
    'Ask for a receipt, you may deduct labour from taxes.',
  ],
  [
    'We painted the study dark green and the hallway white',
    'Dark green makes a small room calmer.',
    'The paint was called Forest Floor and we have half a bucket left',
    'Note the batch number on the lid for repairs.',
  ],
  [
    'My doctor changed the blood pressure pill from morning to night',
    'Set an alarm, a new habit takes weeks.',
    'I am allergic to penicillin, which the hospital forgot to write down',
    'Carry a card about it in your wallet.',
  ],
  [
    'I sleep badly when I read news in bed',
    'Leave the phone in the kitchen for a week and compare.',
    'With the phone in the kitchen I slept seven hours three nights in a row',
    'That is a result worth keeping.',
  ],
  [
    'I am writing a novel about a lighthouse keeper who forges weather reports',
    'Let the first forgery be out of kindness.',
    'Her name was Edda at first, now she is called Runa',
    'Runa is shorter and easier to shout in a storm.',
  ],
  [
    'The publisher wants the first three chapters by the end of October',
    'Then one chapter every two weeks is your pace.',
    'I write best on trains, so I bought a rail pass',
    'Book the quiet car.',
  ],
  [
    'Hiring: we need a database engineer, the budget is eighty thousand',
    'Say the range in the advertisement, it saves interviews.',
    'The candidate from Ghent impressed everybody but wants to work remotely',
    'Offer two weeks a quarter on site and see.',
  ],
  [
    'In our team retrospective people said that decisions take too long',
    'Name one person for each decision.',
    'We agreed on a limit of two days, after which the owner decides alone',
    'Write the owner into the ticket.',
  ],
  [
    'My bike was stolen in front of the library, frame number ends with 7741',
    'Report it within two days for the insurance.',
    'The insurance pays nine hundred but only for a new one with a better lock',
    'A lock should cost a tenth of the bike.',
  ],
  [
    'I bought a second-hand cargo bike for taking the twins to nursery',
    'Check the brakes, loads wear them quickly.',
    'The nursery moved to Mill Lane and starts at half past seven',
    'Then the route along the canal is flatter.',
  ],
  [
    'The API keys of the staging tenant leaked in a log file on Thursday',
    'Rotate them all and search the log archive.',
    'We rotated forty keys and added a filter that hides them',
    'A test that greps the logs keeps it that way.',
  ],
  [
    'Production keys are kept in the vault in Frankfurt, staging ones in Dublin',
    'Different places make mistakes less likely to spread.',
    'Only Ines and Tom can approve access to the vault',
    'Two approvers is the least for holidays.',
  ],
  [
    'We planted an apricot tree, the south wall is the warmest spot',
    'Prune it in summer, never in winter.',
    'The old pear tree got fire blight and must be burned',
    'Disinfect the saw afterwards.',
  ],
  [
    'The vegetable patch gave us nineteen kilos of courgettes',
    'Chutney keeps for a year.',
    'Next year I will sow only two plants',
    'One more in case of snails.',
  ],
  [
    'I speak with the school about our son skipping the third class',
    'Ask for a trial month before you decide.',
    'He reads all day but refuses to do homework',
    'Boredom looks like refusal from outside.',
  ],
  [
    'Our daughter wants to quit ballet for climbing',
    'Let her finish the term and try both.',
    'The climbing hall has a course for eight-year-olds on Fridays',
    'Borrow shoes first, feet grow.',
  ],
]

export interface SessionQuestion {
  question: string
  /** Numbers of the session and of the message in it. */
  answer: readonly [session: number, message: number]
  /** Whether the question has other words than the answer. */
  paraphrase: boolean
}

const plain = (question: string, session: number, message: number): SessionQuestion => ({
  question,
  answer: [session, message],
  paraphrase: false,
})
const other = (question: string, session: number, message: number): SessionQuestion => ({
  question,
  answer: [session, message],
  paraphrase: true,
})

export const questions: readonly SessionQuestion[] = [
  plain('What is the name of my greyhound?', 0, 0),
  other('How far can our dog go before she gets sore?', 0, 2),
  other('Which joint did you tell me to have examined?', 0, 3),
  plain('What does the beagle of my sister eat?', 1, 0),
  other('What inexpensive treat keeps a young dog busy gnawing?', 1, 1),
  plain('When is the product launch?', 2, 0),
  plain('Who owns the launch plan?', 2, 2),
  other('Why did a colleague hand over his responsibilities?', 2, 2),
  plain('How many percent of visitors does the launch page convert?', 3, 0),
  other('Which field did we drop to get more sign-ups?', 3, 2),
  plain('What pace do I need for a half marathon under two hours?', 4, 1),
  other('What bothers me when exercising on hard ground?', 4, 2),
  plain('When does the pool open?', 5, 2),
  other('What sport do I do in the middle of the week instead of jogging?', 5, 0),
  plain('Where is the surprise for my mother?', 6, 0),
  other('What food must not be on the menu for the birthday?', 6, 2),
  other('What kind of hot drink should I buy for my father?', 7, 2),
  other('How can I seat more guests than we have room for?', 7, 1),
  plain('Why does the invoice service time out?', 8, 0),
  other('How will we produce the large export from now on?', 8, 2),
  plain('How long did it take to rebuild the search index?', 9, 0),
  other('What slowed the reindexing down?', 9, 2),
  plain('Who is my cello teacher?', 10, 0),
  other('On which weekday do I have music class?', 10, 2),
  other('By what time must I be silent for the people next door?', 11, 2),
  other('How do I dampen the sound of my instrument?', 11, 1),
  plain('What does the bank in Graz offer?', 12, 0),
  other('Which mortgage allows us to get rid of the debt sooner?', 12, 2),
  other('How often do I let myself check my investments?', 13, 2),
  plain('When will the roofer come?', 14, 2),
  other('Where does rain get into the building?', 14, 0),
  plain('What was the paint in the study called?', 15, 2),
  other('Which medicine must nobody give me?', 16, 2),
  plain('When do I take the blood pressure pill?', 16, 0),
  other('What improved my nights?', 17, 2),
  plain('What is my novel about?', 18, 0),
  other('What is the heroine of my book called by now?', 18, 2),
  other('What is my deadline as an author?', 19, 0),
  other('Where am I most productive with my manuscript?', 19, 2),
  plain('What is the budget for the database engineer?', 20, 0),
  other('Which applicant would rather stay at home?', 20, 2),
  other('What happens when the group cannot make up its mind in time?', 21, 2),
  plain('What does the frame number of my stolen bike end with?', 22, 0),
  other('What does the insurer demand before paying for the theft?', 22, 2),
  plain('Where did the nursery move to?', 23, 2),
  other('How do I bring the children to daycare?', 23, 0),
  plain('How many keys did we rotate?', 24, 2),
  other('How did secrets become visible by accident?', 24, 0),
  plain('Who can approve access to the vault?', 25, 2),
  other('In which city are the credentials of the live system?', 25, 0),
  plain('Where did we plant the apricot tree?', 26, 0),
  other('Which plant is sick and has to be destroyed?', 26, 2),
  plain('How many kilos of courgettes did we get?', 27, 0),
  other('How much shall I grow in the coming season?', 27, 2),
  other('What does my boy do instead of his exercises?', 28, 2),
  plain('When is the climbing course?', 29, 2),
  other('Which hobby does my girl want to give up?', 29, 0),
]
