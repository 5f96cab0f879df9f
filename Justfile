# all checks: style, types, tests
test:
    pytest

# write the generated passages of the documentation
docs:
    python docs/generate.py

# the reference run of the shipped model
train NAME="base-v1":
    bert-emotion data prepare
    bert-emotion model train --out runs/{{NAME}}/model --run runs/{{NAME}}
    bert-emotion model package runs/{{NAME}}/model src/bert_emotion/models/{{NAME}}

# speed beside the transformers pipeline
bench NAME="base-v1":
    bert-emotion bench --model src/bert_emotion/models/{{NAME}} --pipeline --out reports/{{NAME}}/benchmark.json
