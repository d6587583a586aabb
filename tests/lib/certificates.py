# SPDX-License-Identifier: Apache-2.0
"""Certificates for two days, by openssl."""
import subprocess


def make_certificates(place):
    """In this directory NAME.pem and NAME.key: an authority (ca), a server's and a client's certificate of it, and a client's
    of nobody. The server is localhost and 127.0.0.1."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    def authority(name):
        openssl("req", "-x509", *curve, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def certificate(name, signer, extension):
        openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (place / "extension").write_text(extension)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial", "-days", "2",
                "-extfile", "extension", "-out", f"{name}.pem")

    authority("ca")
    authority("stranger")
    certificate("server", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth")
    certificate("client", "ca", "extendedKeyUsage=clientAuth")
    certificate("nobody", "stranger", "extendedKeyUsage=clientAuth")
    return place
