/** Words that the dialogues are made of. */

export const cities = words(
  'Paris, Oslo, Lima, Cairo, Tokyo, Berlin, Madrid, Toronto, Nairobi, Sydney, Mumbai, Seoul, Rome, Vienna, Dublin, Boston, Chicago, Lisbon, Prague, Athens, Warsaw, Helsinki, Jakarta, Santiago, New York, Cape Town, Buenos Aires, San Diego',
);
export const people = words(
  'Anna, Ben, Carla, David, Elena, Farid, Grace, Hiro, Ivan, Julia, Kofi, Lena, Maria, Noah, Olga, Peter, Rosa, Samir, Tom, Yuki',
);
export const foods = words(
  'apples, bread, rice, tomatoes, cheese, onions, pasta, chicken, carrots, lentils, olive oil, black tea, brown sugar, green beans, dark chocolate, oat milk, peanut butter, sour cream',
);
export const films = words(
  'The Long Road, Silent River, Blue Morning, City of Rain, Night Train, The Last Garden, Winter Light, Red Harbor, A Small House, Golden Hour',
);
export const companies = words('Acme, Nordwind, Bluefin, Sunrise Motors, Orion Labs, Delta Foods, Vertex, Riverstone');
export const languages = words('French, Spanish, German, Italian, Portuguese, Dutch, Polish, Turkish');
export const phrases = words(
  'good morning, thank you very much, where is the station, the water is cold, see you tomorrow, I am hungry, happy birthday, how much is it',
);
export const chores = words(
  'buy milk, call the dentist, water the plants, send the report, book the flight, pay the rent, clean the kitchen, feed the cat',
);
export const currencies = words('euros, dollars, pounds, yen, francs, pesos');
export const weekdays = words('Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday');
export const skies = words('sunny, cloudy, rainy, windy, foggy, clear');
export const animals = words(
  'elephant, penguin, horse, tiger, giraffe, whale, rabbit, brown bear, gray wolf, sea turtle',
);

function words(list: string): readonly string[] {
  return list.split(', ');
}
