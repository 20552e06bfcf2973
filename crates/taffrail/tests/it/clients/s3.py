"""moto: a service that speaks S3, with keys that are checked; boto3 puts objects into it."""

import gzip
import io
import json
import os
import sys

import boto3
import requests
from botocore.config import Config
from moto.server import ThreadedMotoServer

told = json.loads(sys.argv[1])
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"


def client(service, access_key, secret_key):
    return boto3.client(service, endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id=access_key,
                        aws_secret_access_key=secret_key, config=Config(s3={"addressing_style": "path"}, proxies={}))


iam = client("iam", "first", "first")
iam.create_user(UserName="reader")
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="reader")["AccessKey"]
# From now on signatures are asked for, and compared.
requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0").raise_for_status()
s3 = client("s3", key["AccessKeyId"], key["SecretAccessKey"])
s3.create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
print(json.dumps({"endpoint": endpoint, "access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}), flush=True)


def put(name, text, how):
    body = text.encode()
    if how == "gzip":
        half = len(body) // 2
        body = gzip.compress(body[:half]) + gzip.compress(body[half:])
    if how == "parts":
        s3.upload_fileobj(io.BytesIO(body), "logs", name)
    elif how == "delete":
        s3.delete_object(Bucket="logs", Key=name)
    else:
        s3.put_object(Bucket="logs", Key=name, Body=body)


for line in sys.stdin:
    objects = json.load(open(line.strip()))
    for name, text, how in objects:
        put(name, text, how)
    print(json.dumps({"put": len(objects)}), flush=True)
server.stop()
os._exit(0)
