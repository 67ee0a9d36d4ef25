// @ts-check
// What every page has: theme, menus and dialogs, local times, countdowns, toasts, forms that speak to the interface.
import "./theme.js";
import "./overlay.js";
import "./times.js";
import "./countdown.js";
import "./toast.js";
import "./forms.js";
