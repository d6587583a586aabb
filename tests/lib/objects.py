# SPDX-License-Identifier: Apache-2.0
"""Objects of Kubernetes as the tests of several files write them."""
import base64
import subprocess


def pod(name, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "busybox"}]} | spec}


def config_map(name, space="default", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data or {"a": "1"}}


def signing_request(name, directory, subject, signer, usages, names=None, **spec):
    """For a key that is made in `directory`; names: what the certificate is to be good for besides ("DNS:n1")."""
    more = ["-addext", f"subjectAltName={names}"] if names else []
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", directory / "key",
                    "-out", directory / "csr", "-subj", subject, *more], check=True, capture_output=True)
    request = base64.b64encode((directory / "csr").read_bytes()).decode()
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
            "spec": {"request": request, "signerName": f"kubernetes.io/{signer}", "usages": usages, **spec}}
