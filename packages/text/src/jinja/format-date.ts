/** Formats dates as Python's `strftime` does in its default locale. */
import { lackingError } from './template-error.ts';

/** Formats a date in local time, for the codes that templates use. @throws {BackendError} `checkpoint-unsupported` for another code */
export function formatDate(date: Date, format: string): string {
  return format.replaceAll(/%(.)/gsu, (code: string, letter: string) => formatCode(date, letter, code));
}

function formatCode(date: Date, letter: string, code: string): string {
  const named = (options: Intl.DateTimeFormatOptions): string => new Intl.DateTimeFormat('en-US', options).format(date);
  const padded = (value: number): string => String(value).padStart(2, '0');
  switch (letter) {
    case 'Y':
      return String(date.getFullYear());
    case 'y':
      return padded(date.getFullYear() % 100);
    case 'm':
      return padded(date.getMonth() + 1);
    case 'd':
      return padded(date.getDate());
    case 'b':
      return named({ month: 'short' });
    case 'B':
      return named({ month: 'long' });
    case 'a':
      return named({ weekday: 'short' });
    case 'A':
      return named({ weekday: 'long' });
    case 'F':
      return `${date.getFullYear()}-${padded(date.getMonth() + 1)}-${padded(date.getDate())}`;
    case 'H':
      return padded(date.getHours());
    case 'I':
      return padded(date.getHours() % 12 || 12);
    case 'p':
      return date.getHours() < 12 ? 'AM' : 'PM';
    case 'M':
      return padded(date.getMinutes());
    case 'S':
      return padded(date.getSeconds());
    case '%':
      return '%';
    default:
      throw lackingError(`strftime_now with ${code}`);
  }
}
