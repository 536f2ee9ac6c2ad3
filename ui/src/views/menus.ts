/** Where open menus are put: inside the main part, so that they belong to a landmark. */
export const MENUS_ID = "menus";
/** Where menus of the list are put: in a narrow window the main part is not there. */
export const LIST_MENUS_ID = "list-menus";
