// @ts-check
// What every page has: theme, menus and dialogs, local times, countdowns, toasts, forms that speak to the interface.
import "./theme.js";
import "./overlay.js";
import "./times.js";
import "./countdown.js";
import "./toast.js";
import "./forms.js";
import { one } from "./dom.js";

// On a phone the rail scrolls sideways: where one is must be in sight.
const rail = one(".rail"), here = rail && one("[aria-current]", rail);
const show = () => { rail.scrollLeft = here.offsetLeft - (rail.clientWidth - here.offsetWidth) / 2; };
if (here) { show(); addEventListener("resize", show); }
