/* Puts a certificate into the user's store of roots.
 *
 *     store CERTIFICATE.der
 */
#include <windows.h>
#include <wincrypt.h>
#include <stdio.h>

int main(int argc, char **argv) {
    static BYTE der[16 << 10];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) return 2;
    DWORD length = (DWORD)fread(der, 1, sizeof der, file);
    fclose(file);
    HCERTSTORE store = CertOpenSystemStoreA(0, "ROOT");
    if (!store || !CertAddEncodedCertificateToStore(store, X509_ASN_ENCODING, der, length, CERT_STORE_ADD_REPLACE_EXISTING, NULL) ||
        !CertCloseStore(store, 0)) {
        fprintf(stderr, "store: error %lu\n", GetLastError());
        return 1;
    }
    return 0;
}
