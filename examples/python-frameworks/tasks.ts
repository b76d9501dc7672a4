/** The questions that the agents are asked. */

/** A question, and what it is about: a city, a topic. */
export interface Question {
  readonly subject: string;
  readonly question: string;
}

const cities = [
  'New York, Paris, London, Berlin, Tokyo, Madrid, Rome, Lisbon, Vienna, Oslo, Chicago, Boston, Seattle, Denver, Dallas',
  'Miami, Toronto, Dublin, Athens, Cairo, Delhi, Sydney, Lima, Quito, Prague, Warsaw, Helsinki, Zurich, Geneva, Munich',
  'Milan, Naples, Kyoto, Osaka, Seoul, Austin, Houston, Montreal, Havana, Bogota, Brussels, Hamburg, Porto, Seville',
  'Valencia, Krakow, Budapest, Nairobi, Lagos, Accra, Dakar, Jakarta, Manila, Bangkok, Hanoi, Perth, Brisbane, Ankara',
].flatMap((line) => line.split(', '));

const events = [
  'the Roman Empire, the French Revolution, the Great Wall, the Vikings, ancient Egypt, the Black Death, the Renaissance',
  'the Silk Road, the Industrial Revolution, the Cold War, the Moon landing, the Aztecs, the Maya, the Inca, Cleopatra',
  'the Mongol Empire, the Ottoman Empire, the Crusades, the Magna Carta, the printing press, the Titanic, Galileo',
  'the Gold Rush, the Boston Tea Party, Napoleon, Julius Caesar, Alexander the Great, Joan of Arc, Marco Polo, Columbus',
].flatMap((line) => line.split(', '));

const ask = (subjects: readonly string[], write: (subject: string) => string): readonly Question[] =>
  subjects.map((subject) => ({ subject, question: write(subject) }));

export const weatherQuestions: readonly Question[] = ask(cities, (city) => `What is the weather in ${city}?`);

export const factQuestions: readonly Question[] = events.flatMap((event) => [
  ...ask([event], () => `Do you know a fun fact about ${event}?`),
  ...ask([event], () => `Give me one surprising fact about ${event}.`),
]);

/** Names of topics alone, without an article: events and cities by turns. */
export const topics: readonly Question[] = ask(
  events.flatMap((event, index) => [event.replace(/^the |^ancient /u, ''), cities[index]!]),
  (topic) => topic,
);
