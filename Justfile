# all checks: style, types, tests
test:
    pytest

# write the generated passages of the documentation
docs:
    python docs/generate.py

# the reference run of one size of the ladder: just train small
train TIER:
    bert-emotion data prepare
    test -e runs/finetune/model || bert-emotion model train
    bert-emotion model teacher
    test -e runs/base/model || bert-emotion model distill base
    test {{TIER}} = base || bert-emotion model distill {{TIER}}

# export, check, calibrate and evaluate a trained size: just package small small-v7
package TIER NAME:
    bert-emotion model package runs/{{TIER}}/model src/bert_emotion/models/{{NAME}}
    bert-emotion report --model {{NAME}}

# speed beside the transformers pipeline: just bench small-v7
bench NAME:
    bert-emotion bench --model {{NAME}} --pipeline --out reports/{{NAME}}/benchmark.json

# every route to a device for every shipped size
devices:
    bert-emotion model devices
