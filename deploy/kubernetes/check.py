#!/usr/bin/env python3
"""Checks the manifests: deploy/kubernetes/check.py [VERSION of Kubernetes]

Each kustomization is put together as kustomize does it (resources, strategic merge patches, namespace, labels, images),
each document is compared with the published schema of its kind, unknown fields are errors, and names that refer to
something are followed. Needs kubernetes-validate, whose package has the schemas; `cargo xtask test --only kubernetes`
installs it.
"""

import copy
import pathlib
import sys

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
VERSION = sys.argv[1] if len(sys.argv) > 1 else "1.33"
KNOWN = {"apiVersion", "kind", "namespace", "labels", "resources", "patches", "images"}
# Lists of named things are merged by this key, as the schemas' x-kubernetes-patch-merge-key say.
MERGE_KEYS = {"containers": "name", "volumes": "name", "volumeMounts": "mountPath", "env": "name", "ports": "containerPort"}
CLUSTER_WIDE = {"Namespace"}
# Made by hand, as docs/kubernetes.md tells.
SECRETS = {"rbee-s3", "rbee-hubs"}


class Wrong(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Wrong(what)


def load(path):
    need(path.is_file(), f"{path} is missing")
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def name(document):
    return document["kind"], document["metadata"]["name"]


def merge(base, patch, key=None):
    if isinstance(base, dict) and isinstance(patch, dict):
        for field, value in patch.items():
            base[field] = merge(base[field], value, field) if field in base else value
        return base
    if isinstance(base, list) and isinstance(patch, list) and key in MERGE_KEYS:
        by = MERGE_KEYS[key]
        for item in patch:
            old = next((other for other in base if other.get(by) == item[by]), None)
            if old is None:
                base.append(item)
            else:
                merge(old, item)
        return base
    return patch


def build(folder):
    """All documents of a kustomization, by kind and name."""
    (settings,) = load(folder / "kustomization.yaml")
    need(not set(settings) - KNOWN, f"{folder}: unknown fields {set(settings) - KNOWN}")
    need(settings["kind"] == "Kustomization", f"{folder}: no Kustomization")
    documents = {}
    for resource in settings["resources"]:
        path = folder / resource
        found = build(path.resolve()).values() if path.is_dir() else load(path)
        for document in found:
            need(name(document) not in documents, f"{folder}: {name(document)} twice")
            documents[name(document)] = document
    for patch in settings.get("patches", []):
        for document in load(folder / patch["path"]):
            need(name(document) in documents, f"{folder}: a patch for {name(document)}, which is not there")
            merge(documents[name(document)], copy.deepcopy(document))
    for document in documents.values():
        if document["kind"] not in CLUSTER_WIDE:
            document["metadata"]["namespace"] = settings["namespace"]
        for pairs in settings.get("labels", []):
            document["metadata"].setdefault("labels", {}).update(pairs["pairs"])
        for container in containers(document):
            for image in settings.get("images", []):
                if container["image"] == image["name"]:
                    container["image"] += ":" + image["newTag"]
    return documents


def pod(document):
    return document.get("spec", {}).get("template", {}).get("spec", {})


def containers(document):
    return pod(document).get("containers", [])


def names_of(documents, kind):
    return {name for found, name in documents if found == kind}


def check_references(documents):
    claims, maps = names_of(documents, "PersistentVolumeClaim"), names_of(documents, "ConfigMap")
    pods = [document for document in documents.values() if containers(document)]
    labels = [document["spec"]["template"]["metadata"]["labels"] for document in pods]
    selected = lambda wanted: any(wanted.items() <= found.items() for found in labels)
    for document in documents.values():
        what, spec = name(document), document.get("spec", {})
        if document["kind"] == "Service":
            need(selected(spec["selector"]), f"{what} selects nothing")
            for port in spec["ports"]:
                targets = [p["name"] for d in pods for c in containers(d) for p in c["ports"]]
                need(port["targetPort"] in targets, f"{what}: no port {port['targetPort']}")
        if document["kind"] == "NetworkPolicy":
            need(selected(spec["podSelector"].get("matchLabels", {})), f"{what} selects nothing")
        if not containers(document):
            continue
        need(spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items(), f"{what}: selector")
        volumes = {volume["name"]: volume for volume in pod(document)["volumes"]}
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            need(claim is None or claim in claims, f"{what}: no claim {claim}")
            secret = volume.get("secret", {}).get("secretName")
            need(secret is None or secret in SECRETS, f"{what}: no secret {secret}")
        security = pod(document)["securityContext"]
        need(security["runAsNonRoot"] and security["runAsUser"] == 10001, f"{what}: runs as root")
        for container in containers(document):
            need(":" in container["image"], f"{what}: {container['image']} has no tag")
            need(container["securityContext"]["readOnlyRootFilesystem"], f"{what}: may write to its root")
            for mount in container["volumeMounts"]:
                need(mount["name"] in volumes, f"{what}: no volume {mount['name']}")
            for source in container["envFrom"]:
                found = source.get("configMapRef", {}).get("name")
                need(found is None or found in maps, f"{what}: no ConfigMap {found}")
                found = source.get("secretRef", {}).get("name")
                need(found is None or found in SECRETS, f"{what}: no secret {found}")
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                need(probe in container, f"{what}: no {probe}")


def main():
    folders = sorted(path.parent for path in HERE.rglob("kustomization.yaml"))
    need(len(folders) >= 3, f"only {folders}")
    for folder in folders:
        documents = build(folder)
        for document in documents.values():
            try:
                kubernetes_validate.validate(document, VERSION, strict=True)
            except Exception as error:  # pylint: disable=broad-except
                message = getattr(error, "message", str(error))
                raise Wrong(f"{folder.relative_to(HERE)}: {name(document)}: {message}") from error
        check_references(documents)
        print(f"{folder.relative_to(HERE)}: {len(documents)} documents are as Kubernetes {VERSION} has them")


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"check.py: {wrong}")
