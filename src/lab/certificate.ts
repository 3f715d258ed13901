/**
 * The lab's own test certificates: public on purpose, worthless outside loopback. The keys of the CAs were thrown away
 * after they had signed these leaves, so trusting {@link labCaPem} trusts nothing else. EC P-256, valid 2024-2124
 * unless said otherwise; the bad ones are in `bad-certificates.ts`.
 *
 * Names: `localhost`, `*.localhost`, `*.lab.localhost`, `lab.test`, `*.lab.test`, `::1`, and
 * `127.0.0.1` to `127.0.0.32`, so that a proxy of kind `https` has a right name on an address of its own.
 */

/** The CA to trust: `tls.connect({ ca: labCaPem })`, or a file for `NODE_EXTRA_CA_CERTS`. */
export const labCaPem: string = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUYGxva1nVjikarmMycz57moGx40UwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRUHJveHlXaGlybCBsYWIgQ0EwIBcNMjQwMTAxMDAwMDAwWhgP
MjEyNDAxMDEwMDAwMDBaMBwxGjAYBgNVBAMMEVByb3h5V2hpcmwgbGFiIENBMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExhhSdSHsYLAr87VHtpCaKuRsRjjeR05u
MlHB0ZRuL7gWj1o7dc8GzMuypgBKeWCn1XEq4A0RCuDTmGPMZldUBqNFMEMwEgYD
VR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFAnp3Jx4
egsRJ328Y2Zs4aHc/yqwMAoGCCqGSM49BAMCA0gAMEUCIHosfbJ2+PRB6uqN9Rb8
xN6h9hctACtWcyMjx5KRLh6LAiEAmK9a09lh9uIH9rzgqgJRxvksdCITjDpKygAq
VrDIO+I=
-----END CERTIFICATE-----
`;

/** The leaf that the site and the proxies of kind `https` present. */
export const labCertificatePem: string = `-----BEGIN CERTIFICATE-----
MIICzjCCAnWgAwIBAgIUGfofJ+0EzXYsgllu2Vy9O0AMRugwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRUHJveHlXaGlybCBsYWIgQ0EwIBcNMjQwMTAxMDAwMDAwWhgP
MjEyNDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABJMYke3hKwiuc3AXXP5zfgtvwddC0Yn6ccCyWHFLXpXM
qzzMGyAQKkuulkTBf3XZyV++QGHmjmoWeDOMdr4qPY2jggGZMIIBlTAMBgNVHRMB
Af8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEFBQcDATCCAR4G
A1UdEQSCARUwggERgglsb2NhbGhvc3SCCyoubG9jYWxob3N0gg8qLmxhYi5sb2Nh
bGhvc3SCCGxhYi50ZXN0ggoqLmxhYi50ZXN0hxAAAAAAAAAAAAAAAAAAAAABhwR/
AAABhwR/AAAChwR/AAADhwR/AAAEhwR/AAAFhwR/AAAGhwR/AAAHhwR/AAAIhwR/
AAAJhwR/AAAKhwR/AAALhwR/AAAMhwR/AAANhwR/AAAOhwR/AAAPhwR/AAAQhwR/
AAARhwR/AAAShwR/AAAThwR/AAAUhwR/AAAVhwR/AAAWhwR/AAAXhwR/AAAYhwR/
AAAZhwR/AAAahwR/AAAbhwR/AAAchwR/AAAdhwR/AAAehwR/AAAfhwR/AAAgMB0G
A1UdDgQWBBRA/Q3DaDtVsp9fIzEjRkZgSlM1KzAfBgNVHSMEGDAWgBQJ6dyceHoL
ESd9vGNmbOGh3P8qsDAKBggqhkjOPQQDAgNHADBEAiBVHWdNUhH1SK4IBvWS4XKI
8m/d/W9X6NpPsQTeH8+w5AIgRw9ufxiz2GNamU8oRNT9VRzYLLPdlls/HFskljHS
7jA=
-----END CERTIFICATE-----
`;

/** Private key of all leaves of the lab. */
export const labKeyPem: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKVN2IIQF7iZ2TkY0
0OG2jg2iGaaEe0GXk2wNvwbPkfKhRANCAASTGJHt4SsIrnNwF1z+c34Lb8HXQtGJ
+nHAslhxS16VzKs8zBsgECpLrpZEwX912clfvkBh5o5qFngzjHa+Kj2N
-----END PRIVATE KEY-----
`;
