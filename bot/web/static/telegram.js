// Inside Telegram: what it tells a page it opens, and the few things a page may ask of it.
// Its own script comes from another origin, so its protocol is spoken here (core.telegram.org/api/web-events).

const WEB = "https://web.telegram.org";

export class Telegram {
  constructor() {
    const given = new URLSearchParams(location.hash.slice(1));
    this.data = given.get("tgWebAppData") ?? "";
    this.inside = this.data !== "";
    if (this.inside) this.#dress(given.get("tgWebAppThemeParams"));
  }

  ready() {
    this.#tell("web_app_ready");
    this.#tell("web_app_expand");
  }

  /** Whether closing by mistake is asked about first. */
  keep(wanted) {
    this.#tell("web_app_setup_closing_confirmation", { need_confirmation: wanted });
  }

  close() {
    this.#tell("web_app_close");
  }

  /** Their theme may be dark where the system's is not. */
  #dress(theme) {
    try {
      const [, red, green, blue] = /^#(..)(..)(..)$/.exec(JSON.parse(theme).bg_color).map((part) => Number.parseInt(part, 16));
      document.documentElement.dataset.theme = 0.3 * red + 0.6 * green + 0.1 * blue < 128 ? "dark" : "light";
    } catch {
      // no theme: the system's
    }
  }

  #tell(type, data = {}) {
    if (!this.inside) return;
    if (window.TelegramWebviewProxy) window.TelegramWebviewProxy.postEvent(type, JSON.stringify(data));
    else if (window.external && "notify" in window.external) window.external.notify(JSON.stringify({ eventType: type, eventData: data }));
    else if (window.parent !== window) window.parent.postMessage(JSON.stringify({ eventType: type, eventData: data }), WEB);
  }
}
