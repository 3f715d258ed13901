/** The host of the login page that the fault `portal` sends everybody to. */
export const portalHost = 'portal.test';

export const portalLocation: string = `http://${portalHost}/login`;

export const portalPage: string = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Welcome to the network</title></head>
<body><h1>Please log in</h1><form method="post" action="${portalLocation}"><input name="room"></form></body></html>
`;
