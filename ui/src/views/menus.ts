/** Where open menus are put: inside the main part, so that they belong to a landmark. */
export const MENUS_ID = "menus";
