// Runs before the first paint, so that a chosen theme does not flash.
try {
  var theme = localStorage.getItem('taffrail.theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch (_) {
  // Storage may be blocked; the system's theme stands.
}
