/**
 * The lab's own test certificate: public on purpose, worthless outside loopback. The key of the CA was thrown
 * away after it signed this one leaf, so trusting {@link labCaPem} trusts nothing else.
 *
 * EC P-256, valid 2024-2124, for `localhost`, `*.localhost`, `*.lab.localhost`, `lab.test`, `*.lab.test`,
 * `127.0.0.1` and `::1`.
 */

/** The CA to trust: `tls.connect({ ca: labCaPem })`, or a file for `NODE_EXTRA_CA_CERTS`. */
export const labCaPem: string = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUJ3zecBEcE9cya5fJLcVbsB+t8/swCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRUHJveHlXaGlybCBsYWIgQ0EwIBcNMjQwMTAxMDAwMDAwWhgP
MjEyNDAxMDEwMDAwMDBaMBwxGjAYBgNVBAMMEVByb3h5V2hpcmwgbGFiIENBMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIHfLZgxXmRPtcygHjMlmmz+4e/qW1QIy
Z/eSq6iqjyELdo+mmWXMz/FnDCVaWKK+VEoYpfcUJMsIehe8eJBbnaNFMEMwEgYD
VR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFEcTfkmy
ymr58Di20ZgEnbu2n/KUMAoGCCqGSM49BAMCA0gAMEUCIDTBLZU6QxqpAHRbkD4r
chVIK8g0giDZ8KrtSvu2Y3z2AiEAmwoD+oz6ESg/mwSqMO/F/K298x4H0UZypLHv
tIZbRek=
-----END CERTIFICATE-----
`;

/** The leaf that the site and the proxies of kind `https` present. */
export const labCertificatePem: string = `-----BEGIN CERTIFICATE-----
MIICDTCCAbOgAwIBAgIUdqP/vmoLE93OLM8B8U895RQRJGUwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRUHJveHlXaGlybCBsYWIgQ0EwIBcNMjQwMTAxMDAwMDAwWhgP
MjEyNDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABABaS/XaQ2LFOJ5rbBG4YSpPdkhnZFURUQB5fQCcKDRW
hfzqTinxFGJs+4pM9tOLg8f0qxoK4TbWZlhlrE30QoCjgdgwgdUwDAYDVR0TAQH/
BAIwADAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwEwYAYDVR0R
BFkwV4IJbG9jYWxob3N0ggsqLmxvY2FsaG9zdIIPKi5sYWIubG9jYWxob3N0gghs
YWIudGVzdIIKKi5sYWIudGVzdIcEfwAAAYcQAAAAAAAAAAAAAAAAAAAAATAdBgNV
HQ4EFgQUIVxDo6Zk5qz1TMwzzgk6g+59bMgwHwYDVR0jBBgwFoAURxN+SbLKavnw
OLbRmASdu7af8pQwCgYIKoZIzj0EAwIDSAAwRQIhAI2tzphUN7ORg93wUsW9VmFx
z2NkT1yjKh+KcqMf4kxhAiAIXohDM+fBtaYkuEma5+7tXbAAg5mixdCnVHs+U2T8
9Q==
-----END CERTIFICATE-----
`;

/** Private key of {@link labCertificatePem}. */
export const labKeyPem: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3xX4QpiiUN3glNDw
QP22oOObJcHCDBxla1wmt6ojaLGhRANCAAQAWkv12kNixTiea2wRuGEqT3ZIZ2RV
EVEAeX0AnCg0VoX86k4p8RRibPuKTPbTi4PH9KsaCuE21mZYZaxN9EKA
-----END PRIVATE KEY-----
`;
