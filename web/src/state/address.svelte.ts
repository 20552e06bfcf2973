// The address bar as a store. Changing it is the only way to change what the page shows.
import { readAddress, writeAddress, type Address } from '../logic/url';

class AddressBar {
  current = $state.raw<Address>(readAddress(location.pathname, location.search));
  /** Grows with each search that is asked for anew although the address stays the same. */
  again = $state(0);

  constructor() {
    addEventListener('popstate', () => {
      this.current = readAddress(location.pathname, location.search);
    });
  }

  /** Goes to a changed state; Back undoes it unless it replaces the last one. */
  go(change: Partial<Address>, replace = false): void {
    const next = { ...this.current, ...change };
    const url = writeAddress(next);
    if (url === location.pathname + location.search) {
      this.current = next;
      return;
    }
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.current = next;
  }

  /** The address of a changed state, for links. */
  link(change: Partial<Address>): string {
    return writeAddress({ ...this.current, ...change });
  }
}

export const address = new AddressBar();
