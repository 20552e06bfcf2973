// The size of the window, the time that ticks, and short notices.

class Screen {
  narrow = $state(false);
  now = $state(Date.now());
  notice = $state<string | null>(null);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const query = matchMedia('(max-width: 760px)');
    this.narrow = query.matches;
    query.addEventListener('change', () => (this.narrow = query.matches));
    setInterval(() => (this.now = Date.now()), 10_000);
  }

  /** Says something for a moment at the foot of the page. */
  say(text: string): void {
    this.notice = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.notice = null), 3500);
  }

  /** Copies text, and says so. */
  async copy(text: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.say(`${what} copied`);
    } catch {
      this.say('The browser did not allow copying');
    }
  }
}

export const screen = new Screen();
